"""Waveforms -> waveforms: number type, sample rate, channels.

Takes and gives ``(channels, samples)``, as arrays or as streams of blocks. Does not read files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from stemsep.audio.blocks import BLOCK_SAMPLES, Sample, fit_length, reblock, turned
from stemsep.audio.info import Block

__all__ = [
    "fit_length",
    "from_stereo_pairs",
    "reblock",
    "resample",
    "stereo_pairs",
    "to_float",
    "to_steps",
]

FULL_SCALE = float(2**31)


def to_float(block: Block) -> NDArray[np.float32]:
    """Return the block as float32: int32 with full scale 2^31 becomes [-1, 1], float32 stays.

    Sound of up to 24 bits converts exactly.
    """
    if block.dtype == np.int32:
        # A power of two: the one rounding is that of int32 to float32.
        return block.astype(np.float32) / np.float32(FULL_SCALE)
    return block.astype(np.float32, copy=False)


def to_steps(block: Block, bit_depth: int) -> tuple[NDArray[np.int32], int]:
    """Return the block as integer sample values, and how many samples were out of their range.

    Integer sound of up to ``bit_depth`` bits converts exactly; what is finer is rounded.

    Args:
        block: ``(channels, samples)``: int32 with full scale 2^31, or float32 in [-1, 1] nominal.
        bit_depth: of the result, whose values go from -2^(bit_depth - 1) to one below its opposite;
            float samples beyond that are limited, and counted.
    """
    high = 2 ** (bit_depth - 1)
    if block.dtype == np.int32:
        steps: NDArray[np.int32] = block.astype(np.int32, copy=False)
        if shift := 32 - bit_depth:
            # Half a step more, added where it cannot run over: to what has one bit too many.
            steps = ((steps >> (shift - 1)) + 1) >> 1
        return np.minimum(steps, high - 1), 0
    scaled = np.rint(block.astype(np.float64) * high)
    beyond = int(np.count_nonzero((scaled < -high) | (scaled > high)))
    return np.clip(scaled, -high, high - 1).astype(np.int32), beyond


def resample(
    blocks: Iterable[NDArray[np.float32]], *, from_rate: int, to_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the sound at another sample rate, in step with the input (no delay).

    The result does not depend on the sizes of the blocks, to the bit: they are joined into one
    fixed size first. Its length is that of the input times ``to_rate / from_rate``, give or take a
    sample, and at least 1 for any input of at least 1. Equal rates pass the blocks through.

    Args:
        blocks: ``(channels, n)`` float32 with any n.
        from_rate: of the blocks, Hz.
        to_rate: of the result, Hz.

    Returns:
        Blocks ``(channels, n)`` float32, C-contiguous.
    """
    if from_rate == to_rate:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    given = 0
    first: NDArray[np.float32] | None = None
    for block in reblock(blocks, BLOCK_SAMPLES):
        if stream is None or first is None:
            first = block[:, :1]
            stream = soxr.ResampleStream(from_rate, to_rate, len(block), "float32", "VHQ")
        result = turned(stream.resample_chunk(turned(block)))
        given += result.shape[1]
        yield result
    if stream is None or first is None:
        return
    rest = turned(stream.resample_chunk(np.zeros((0, len(first)), np.float32), last=True))
    if given + rest.shape[1] == 0:
        rest = np.ascontiguousarray(first)  # too short for a sample at the lower rate
    yield rest


def stereo_pairs(waveform: NDArray[Sample]) -> list[NDArray[Sample]]:
    """Return the channels two by two; mono, and an odd last channel, is doubled.

    Args:
        waveform: ``(..., channels, samples)``.

    Returns:
        ``(channels + 1) // 2`` arrays ``(..., 2, samples)``.
    """
    channels = waveform.shape[-2]
    starts = range(0, channels, 2)
    return [waveform[..., [i, min(i + 1, channels - 1)], :] for i in starts]


def from_stereo_pairs(pairs: Sequence[NDArray[np.float32]], channels: int) -> NDArray[np.float32]:
    """Return the channels that `stereo_pairs` paired; a doubled one is the mean of its two.

    Args:
        pairs: ``(channels + 1) // 2`` arrays ``(..., 2, samples)``.
        channels: of the result.

    Returns:
        ``(..., channels, samples)``.
    """
    joined = list(pairs)
    if channels % 2:
        joined[-1] = joined[-1].mean(axis=-2, keepdims=True)
    return np.concatenate(joined, axis=-2)
