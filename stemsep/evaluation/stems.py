"""Named stems of a track in memory: held as they were decoded, given out in float32 excerpts.

Ten minutes of four stems and their estimates are 0.9 GB in 16 bit, 1.7 GB in float32; so nothing
here copies a whole track, and a sum of stems is added up where it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import DatasetError

__all__ = ["Held", "Stems", "stems_of"]

Held: TypeAlias = NDArray[np.int16] | NDArray[np.float32]
"""``(channels, samples)``: 16-bit integers (full scale 32768), or float32 in [-1, 1] nominal."""


@dataclass(frozen=True, kw_only=True)
class Stems:
    """Stems of one number of channels and samples.

    Looks like an array ``(stems, channels, samples)`` that is sliced along its last axis:
    ``stems[..., start:stop]`` is float32 in [-1, 1] nominal.

    Args:
        parts: stem -> the waveforms that it is the sum of. One that is shorter than ``samples``
            ends in silence, one that is longer is cut; mono is doubled.
        channels: of every stem.
        samples: of every stem.
        sample_rate: Hz.
    """

    parts: Mapping[str, Sequence[Held]]
    channels: int
    samples: int
    sample_rate: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of the stems, in order."""
        return tuple(self.parts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Stems, channels, samples."""
        return len(self.parts), self.channels, self.samples

    def __getitem__(self, index: tuple[Any, slice]) -> NDArray[np.float32]:
        start, stop, _ = index[-1].indices(self.samples)
        shape = (len(self.parts), self.channels, max(0, stop - start))
        result: NDArray[np.float32] = np.empty(shape, np.float32)
        for total, waveforms in zip(result, self.parts.values(), strict=True):
            for i, waveform in enumerate(waveforms):
                piece = waveform[:, start:stop]
                held = total[:, : piece.shape[1]]
                scale = np.float32(1 / 32768 if piece.dtype == np.int16 else 1)
                if i == 0:
                    np.multiply(piece, scale, out=held)
                    total[:, piece.shape[1] :] = 0
                else:
                    held += piece * scale
        return result

    def whole(self, name: str) -> NDArray[np.float32]:
        """Return one stem, ``(channels, samples)``."""
        waveform: NDArray[np.float32] = self.select([name])[..., :][0]
        return waveform

    def select(self, names: Iterable[str]) -> Stems:
        """Return the named stems alone."""
        return self.replace({name: self.parts[name] for name in names})

    def summed(self, sums: Mapping[str, Iterable[str]]) -> Stems:
        """Return sums of stems, each called by its key."""
        return self.replace(
            {name: [part for n in names for part in self.parts[n]] for name, names in sums.items()}
        )

    def fitted(self, like: Stems) -> Stems:
        """Return the same stems with the channels and samples of ``like``.

        Raises:
            DatasetError: a stem has other channels, and is not mono.
        """
        return stems_of(
            self.parts, rate=self.sample_rate, channels=like.channels, samples=like.samples
        )

    def cut(self, start: int, stop: int) -> Stems:
        """Return the samples from ``start``, if negative from 0, up to ``stop`` or the end."""
        start, stop = max(0, start), min(self.samples, stop)
        parts = {name: [w[:, start:stop] for w in of_stem] for name, of_stem in self.parts.items()}
        return Stems(
            parts=parts,
            channels=self.channels,
            samples=stop - start,
            sample_rate=self.sample_rate,
        )

    def replace(self, parts: Mapping[str, Sequence[Held]]) -> Stems:
        """Return other parts in the same shape."""
        return Stems(
            parts=parts,
            channels=self.channels,
            samples=self.samples,
            sample_rate=self.sample_rate,
        )


def stems_of(
    parts: Mapping[str, Sequence[Held]], *, rate: int, channels: int = 0, samples: int = 0
) -> Stems:
    """Return stems as long as the longest and with the most channels of them, if not given.

    Raises:
        DatasetError: a waveform has other channels, and is not mono.
    """
    waveforms = [waveform for of_stem in parts.values() for waveform in of_stem]
    channels = channels or max(len(waveform) for waveform in waveforms)
    for name, of_stem in parts.items():
        for waveform in of_stem:
            if len(waveform) not in (1, channels):
                raise DatasetError(
                    f"'{name}' has {len(waveform)} channels where {channels} or 1 are needed"
                )
    samples = samples or max(waveform.shape[1] for waveform in waveforms)
    return Stems(parts=parts, channels=channels, samples=samples, sample_rate=rate)
