"""A song with its stems, decoded: what training draws excerpts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEMS", "Samples", "Track"]

STEMS = ("vocals", "drums", "bass", "other")
"""The four stems of MUSDB18, in the order of stemsep's networks."""

Samples = NDArray[np.int16] | NDArray[np.float32]
"""``(2, samples)``: float32 in [-1, 1], or 16-bit integers (full scale 32768) in half the memory;
in memory, or mapped from a file."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """One song: its stems and, where it differs from their sum, the mixture.

    Args:
        name: what messages and reports call it.
        sample_rate: Hz.
        stems: name -> sound, all of one length; a stem that is not there is silent in this song.
        mixture: the song itself, where a data set comes with it.
        unreliable: stems with sounds of others in them: part of the mixture, but not to be
            learned from.
        complete: whether the stems are a whole song. Loose stems are for remixing alone.
    """

    name: str
    sample_rate: int
    stems: Mapping[str, Samples]
    mixture: Samples | None = field(default=None, repr=False)
    unreliable: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def samples(self) -> int:
        """Length in samples."""
        sounds = [*self.stems.values(), *([] if self.mixture is None else [self.mixture])]
        return int(sounds[0].shape[-1])

    def excerpt(self, stem: str, start: int, samples: int) -> NDArray[np.float32]:
        """Return ``(2, samples)`` of a stem, float32 in [-1, 1], zeros past its end."""
        return _cut(self.stems.get(stem), start, samples)

    def mixed(self, start: int, samples: int) -> NDArray[np.float32]:
        """Return ``(2, samples)`` of the mixture, that of the data set or the sum of all stems."""
        if self.mixture is not None:
            return _cut(self.mixture, start, samples)
        stems = [self.excerpt(stem, start, samples) for stem in self.stems]
        return np.asarray(np.sum(stems, axis=0), np.float32)

    def whole(self, stems: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(stems, 2, samples)``: all of the named stems, float32 in [-1, 1]."""
        return np.stack([self.excerpt(stem, 0, self.samples) for stem in stems])


def _cut(sound: Samples | None, start: int, samples: int) -> NDArray[np.float32]:
    result = np.zeros((2, samples), np.float32)
    if sound is None:
        return result
    piece = sound[:, start : start + samples]
    result[:, : piece.shape[1]] = piece
    return result / np.float32(32768) if piece.dtype == np.int16 else result
