"""Streams of sound blocks ``(channels, samples)``: other block sizes, an exact total length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError

__all__ = ["BLOCK_SAMPLES", "excerpt", "first_non_finite", "fit_length", "reblock", "turned"]

BLOCK_SAMPLES = 65536
"""Samples per block wherever blocks have one size: 1.5 s of music, 512 KiB of stereo."""

Sample = TypeVar("Sample", bound=np.generic)


def first_non_finite(block: NDArray[Any]) -> int | None:
    """Return the index of the first sample that is NaN or infinite in a channel; None if none is.

    Args:
        block: ``(channels, samples)``.
    """
    finite = np.isfinite(block).all(axis=0)
    return None if finite.all() else int(np.argmin(finite))


def turned(block: NDArray[Sample]) -> NDArray[Sample]:
    """Return ``(samples, channels)`` of ``(channels, samples)`` or the other way, C-contiguous.

    A channel at a time: NumPy's own way goes through the channels of one sample after the other,
    which takes 15 times as long.
    """
    result = np.empty(block.shape[::-1], block.dtype)
    by_channel = (block, result.T) if block.shape[0] < block.shape[1] else (block.T, result)
    for given, copy in zip(*by_channel, strict=True):
        copy[:] = given
    return result


def excerpt(
    blocks: Iterable[NDArray[Sample]], start: int, samples: int | None = None
) -> Iterator[NDArray[Sample]]:
    """Yield a part of the sound, reading no further than its end.

    Args:
        blocks: ``(channels, n)`` with any n.
        start: first sample of the part.
        samples: length of the part; None is all the rest.
    """
    if samples == 0:
        return
    position, stop = 0, None if samples is None else start + samples
    for block in blocks:
        kept = block[:, max(0, start - position) : None if stop is None else stop - position]
        position += block.shape[1]
        if kept.shape[1]:
            yield kept
        if stop is not None and position >= stop:
            return


def reblock(blocks: Iterable[NDArray[Sample]], samples: int) -> Iterator[NDArray[Sample]]:
    """Yield the same sound in blocks of exactly ``samples`` samples; the last may be shorter.

    Args:
        blocks: ``(channels, n)`` with any n, 0 included.
        samples: at least 1.

    Returns:
        C-contiguous blocks of their own memory.
    """
    parts: list[NDArray[Sample]] = []
    held = 0
    for block in blocks:
        start = 0
        while held + block.shape[1] - start >= samples:
            stop = start + samples - held
            yield _joined([*parts, block[:, start:stop]])
            parts, held, start = [], 0, stop
        if start < block.shape[1]:
            parts.append(block[:, start:])
            held += block.shape[1] - start
    if parts:
        yield _joined(parts)


def _joined(parts: list[NDArray[Sample]]) -> NDArray[Sample]:
    # concatenate alone would keep the memory order of transposed parts.
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def fit_length(
    blocks: Iterable[NDArray[Sample]],
    samples: int | Callable[[], int],
    *,
    hold_back: int = BLOCK_SAMPLES,
) -> Iterator[NDArray[Sample]]:
    """Yield the same sound cut, or padded with zeros, to an exact total length.

    Where the total is known at the end only (sound from a pipe), ``samples`` is a function, called
    once when ``blocks`` is exhausted. Until then the newest ``hold_back`` samples are not yielded,
    so that they can still be cut.

    Args:
        blocks: ``(channels, n)`` with any n.
        samples: the total per channel, or what returns it.
        hold_back: the most samples that may have to be cut; for a function only.

    Raises:
        ParameterError: more than ``hold_back`` samples would have to be cut, or there is no block
            at all, whose channels a padding could take.
    """
    held = _held_back(blocks, hold_back) if callable(samples) else ((b, False) for b in blocks)
    total = None if callable(samples) else samples
    given = 0
    last: NDArray[Sample] | None = None
    for block, is_tail in held:
        if is_tail and callable(samples):
            total = samples()
        last = block
        kept = block if total is None else block[:, : max(0, total - given)]
        given += kept.shape[1]
        if kept.shape[1]:
            yield kept
    if total is None:
        total = samples() if callable(samples) else samples
    if total < given:
        raise ParameterError(f"cannot cut to {total} samples: {given} were already given")
    if total > given:
        yield from _silence(last, total - given)


def _held_back(
    blocks: Iterable[NDArray[Sample]], hold_back: int
) -> Iterator[tuple[NDArray[Sample], bool]]:
    """Yield (block, False) late by at least ``hold_back`` samples, at last (the rest, True)."""
    parts: list[NDArray[Sample]] = []
    held = 0
    for block in blocks:
        parts.append(block)
        held += block.shape[1]
        while held - parts[0].shape[1] >= hold_back and len(parts) > 1:
            held -= parts[0].shape[1]
            yield parts.pop(0), False
    if parts:
        yield np.concatenate(parts, axis=1), True


def _silence(like: NDArray[Sample] | None, samples: int) -> Iterator[NDArray[Sample]]:
    if like is None:
        raise ParameterError(f"cannot pad to {samples} samples: there is no sound to pad")
    for start in range(0, samples, BLOCK_SAMPLES):
        size = min(BLOCK_SAMPLES, samples - start)
        yield np.zeros((like.shape[0], size), like.dtype)
