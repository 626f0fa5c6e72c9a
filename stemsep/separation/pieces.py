"""Pieces of stems and mixture on their way from the network to the writer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import fit_length, resample, to_float, to_steps
from stemsep.separation.residue import quantise
from stemsep.separation.results import Picture
from stemsep.separation.stems import StemSet

__all__ = ["Levels", "Piece", "Spool", "finished", "grouped", "resampled", "shown"]


class Piece(NamedTuple):
    """Consecutive samples of a song.

    Args:
        stems: ``(stems, channels, samples)`` float32.
        mixture: ``(channels, samples)``: the samples that they were made from, float32, or int32
            with full scale 2^31.
    """

    stems: NDArray[np.float32]
    mixture: NDArray[Any]


def grouped(
    piece: Mapping[str, Tensor], names: Sequence[str], stems: StemSet
) -> NDArray[np.float32]:
    """Return ``(groups, channels, samples)``: the stems that were asked for, and the rest."""
    waveforms = [piece[name].numpy() for name in names]
    summed = [sum(waveforms[index] for index in members) for members in stems.groups.values()]
    return np.stack(summed).astype(np.float32)


def shown(
    pieces: Iterable[Piece], names: Sequence[str], sample_rate: int, picture: Picture
) -> Iterator[Piece]:
    """Pass pieces on and show each to the picture."""
    for piece in pieces:
        parts = dict(zip(names, piece.stems, strict=True))
        picture.add(sample_rate, {"mixture": to_float(piece.mixture), **parts})
        yield piece


def resampled(pieces: Iterable[Piece], *, from_rate: int, to_rate: int) -> Iterator[Piece]:
    """Yield stems and mixture at another rate; the length is rounded to the nearest sample.

    Args:
        pieces: at ``from_rate``.
        from_rate: Hz.
        to_rate: Hz.
    """
    shape: tuple[int, ...] = ()
    counted = 0

    def flat() -> Iterator[NDArray[np.float32]]:
        nonlocal shape, counted
        for piece in pieces:
            counted += piece.mixture.shape[1]
            shape = piece.stems.shape[:2]
            sounds = [piece.stems.reshape(-1, piece.mixture.shape[1]), to_float(piece.mixture)]
            yield np.concatenate(sounds)

    def total() -> int:
        return max(1, round(counted * to_rate / from_rate))

    changed = resample(flat(), from_rate=from_rate, to_rate=to_rate)
    for block in fit_length(changed, total):
        stems, channels = shape
        cut = stems * channels
        yield Piece(block[:cut].reshape(stems, channels, -1), block[cut:])


@dataclass(kw_only=True)
class Levels:
    """What is measured while pieces go by.

    Args:
        samples: how many per channel.
        clipped: samples of the mixture beyond the range of integers.
        corrected: samples of stems beyond it.
        peak: highest absolute sample of the stems.
        residue: energy of what the stems lack of the mixture.
        energy: of the mixture.
    """

    samples: int = 0
    clipped: int = 0
    corrected: int = 0
    peak: float = 0.0
    residue: float = 0.0
    energy: float = 0.0

    def measure(self, stems: NDArray[np.floating], mixture: NDArray[np.floating]) -> None:
        """Take account of stems ``(stems, channels, samples)`` and their mixture."""
        self.peak = max(self.peak, float(np.abs(stems).max()))
        residue = mixture - stems.sum(axis=0, dtype=np.float64)
        self.residue += float(np.vdot(residue, residue))
        self.energy += float(np.vdot(mixture, mixture))

    @property
    def residual_db(self) -> float:
        """What the stems lack of the mixture, relative to it."""
        if self.residue == 0 or self.energy == 0:
            return float("-inf")
        return float(10 * np.log10(self.residue / self.energy))


def finished(
    piece: Piece, bit_depth: int | None, levels: Levels, *, alone: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a piece's stems and mixture as they are written, and measure them.

    Args:
        piece: the stems and their mixture.
        bit_depth: of integers, whose sum is the mixture to the bit; None for float32.
        levels: is told.
        alone: round each integer stem for itself, without regard to the sum.
    """
    levels.samples += piece.mixture.shape[1]
    if bit_depth is None:
        mixture = to_float(piece.mixture)
        levels.measure(piece.stems, mixture)
        return piece.stems, mixture
    full_scale = 2.0 ** (bit_depth - 1)
    steps, clipped = to_steps(piece.mixture, bit_depth)
    low, high = float(piece.stems.min()), float(piece.stems.max())
    if low < -1 or high > 1 - 1 / full_scale:
        beyond = (piece.stems < -1) | (piece.stems > 1 - 1 / full_scale)
        levels.corrected += int(np.count_nonzero(beyond))
    if alone:
        stems, clipped = to_steps(piece.stems, bit_depth)
        levels.measure(stems / full_scale, steps / full_scale)
    else:  # nothing is missing, to the bit
        stems = quantise(piece.stems, steps, bit_depth)
        levels.peak = max(levels.peak, -int(stems.min()) / full_scale, stems.max() / full_scale)
    levels.clipped += clipped
    return stems, steps


class Spool:
    """A whole song's pieces on the disk, where its end must be known before its start is written.

    The file has no name: nothing is left of it, whatever happens.

    Args:
        folder: on the disk to use; None is the system's for temporary files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by exit
        self._count = 0
        self.samples, self.peak = 0, 0.0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, pieces: Iterable[Piece]) -> None:
        """Write all pieces, count their samples, and find the peak of stems and mixture."""
        for piece in pieces:
            np.save(self._file, piece.stems, allow_pickle=False)
            np.save(self._file, piece.mixture, allow_pickle=False)
            self._count += 1
            self.samples += piece.mixture.shape[1]
            peaks = (np.abs(piece.stems).max(), np.abs(to_float(piece.mixture)).max())
            self.peak = max(self.peak, *map(float, peaks))

    def pieces(self, gain: float = 1.0) -> Iterator[Piece]:
        """Yield all pieces, changed by a gain."""
        self._file.seek(0)
        for _ in range(self._count):
            stems, mixture = np.load(self._file), np.load(self._file)
            if gain != 1.0:
                factor = np.float32(gain)
                stems, mixture = stems * factor, to_float(mixture) * factor
            yield Piece(stems, mixture)
