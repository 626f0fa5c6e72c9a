"""Stems as evaluation takes them: an array, or what can be sliced like one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError
from stemsep.evaluation.arrays import arrays_on

__all__ = [
    "BlockSums",
    "Waveforms",
    "block_pairs",
    "block_totals",
    "check_pair",
    "excerpt",
    "is_silent",
]


class Waveforms(Protocol):
    """An array ``(stems, channels, samples)`` of real numbers, or what can be sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Stems, channels, samples."""
        ...

    def __getitem__(self, index: tuple[EllipsisType, slice], /) -> NDArray[Any]:
        """Return ``(stems, channels, samples)`` for ``[..., start:stop]``."""
        ...


def check_pair(estimates: Waveforms, references: Waveforms, *, same_length: bool = True) -> None:
    """Make sure that there is an estimate for each reference.

    Raises:
        ParameterError: their stems or channels (or, unless it may differ, their lengths) differ,
            or there are no samples.
    """
    shape, other = tuple(references.shape), tuple(estimates.shape)
    compared = 3 if same_length else 2
    if len(shape) != 3 or len(other) != 3 or shape[:compared] != other[:compared] or 0 in shape:
        raise ParameterError(
            f"estimates {other} and references {shape}: both must be (stems, channels, samples), "
            f"of one shape{'' if same_length else ' but for the length of the estimates'}, with "
            "at least one sample"
        )


def excerpt(
    waveforms: Waveforms, start: int, stop: int, *, end: int | None = None
) -> NDArray[np.float64]:
    """Return ``(stems, channels, stop - start)``, zeros before the first sample and past the last.

    Args:
        waveforms: of any real type.
        start: sample, may be negative.
        stop: sample, may be past the end.
        end: what comes at this sample and later counts as zero, too.
    """
    stems, channels, samples = waveforms.shape
    low, high = max(start, 0), min(stop, samples if end is None else min(samples, end))
    if (low, high) == (start, stop):
        return np.asarray(waveforms[..., start:stop], dtype=np.float64)
    result = np.zeros((stems, channels, stop - start))
    if low < high:
        result[..., low - start : high - start] = waveforms[..., low:high]
    return result


BLOCK_SAMPLES = 1 << 15

BlockSums = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Blocks ``(stems, channels, samples)`` of estimate and reference -> sums over their samples."""


def block_pairs(
    estimate: Waveforms, reference: Waveforms, *, multiple: int = 1
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield both from first sample to last, in blocks ``(stems, channels, samples)``.

    Args:
        estimate: of the shape of the reference.
        reference: its length is what counts.
        multiple: each block but the last is a multiple of so many samples long.
    """
    for start, stop in _blocks(reference, multiple):
        yield excerpt(estimate, start, stop), excerpt(reference, start, stop)


def block_totals(
    sums: Sequence[BlockSums], estimate: Waveforms, reference: Waveforms, *, multiple: int = 1
) -> list[NDArray[np.float64]]:
    """Return the totals over all blocks of `block_pairs` of several sums, in one pass.

    Args:
        sums: what to add up.
        estimate: of the shape of the reference.
        reference: its length is what counts.
        multiple: as for `block_pairs`.
    """

    def of_block(bounds: tuple[int, int]) -> list[NDArray[np.float64]]:
        guess, truth = excerpt(estimate, *bounds), excerpt(reference, *bounds)
        return [of_pair(guess, truth) for of_pair in sums]

    found = arrays_on("cpu").over(of_block, _blocks(reference, multiple))
    return [sum(each[1:], start=each[0]) for each in zip(*found, strict=True)]


def _blocks(reference: Waveforms, multiple: int) -> list[tuple[int, int]]:
    step, samples = max(1, BLOCK_SAMPLES // multiple) * multiple, reference.shape[-1]
    return [(start, min(start + step, samples)) for start in range(0, samples, step)]


def is_silent(waveforms: Any) -> Any:
    """Return whether the channels of ``(stems, channels, ..., samples)`` sum to zero throughout.

    museval's notion: a stem whose channels are opposite is silent too. Takes arrays of NumPy or
    torch, gives ``(stems, ...)``.
    """
    return (waveforms.sum(1) == 0).all(-1)
