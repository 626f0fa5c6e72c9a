"""A song with its stems, decoded, in the memory that training draws excerpts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEMS", "Track"]

STEMS = ("vocals", "drums", "bass", "other")
"""The four stems of MUSDB18, in the order of stemsep's networks."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """One song: its stems and, where it differs from their sum, the mixture.

    Args:
        name: what messages and reports call it.
        sample_rate: Hz.
        stems: name -> ``(2, samples)``, all of one length, float32 or 16-bit integers (full scale
            32768), which hold a training set in half the memory.
        mixture: ``(channels, samples)`` float32, where a data set comes with its own.
    """

    name: str
    sample_rate: int
    stems: Mapping[str, NDArray[np.int16] | NDArray[np.float32]]
    mixture: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def samples(self) -> int:
        """Length in samples."""
        return int(next(iter(self.stems.values())).shape[-1])

    def excerpt(self, stem: str, start: int, samples: int) -> NDArray[np.float32]:
        """Return ``(2, samples)`` of a stem, float32 in [-1, 1], zeros past its end."""
        result = np.zeros((2, samples), np.float32)
        piece = self.stems[stem][:, start : start + samples]
        result[:, : piece.shape[1]] = piece
        return result / np.float32(32768) if piece.dtype == np.int16 else result

    def whole(self, stems: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(stems, 2, samples)``: all of the named stems, float32 in [-1, 1]."""
        return np.stack([self.excerpt(stem, 0, self.samples) for stem in stems])
