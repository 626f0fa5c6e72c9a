"""Stems that together are the mixture: what they lack of it goes back to them.

For floating-point sound the residue (rounding, and the band that resampling takes away) is shared
by energy; for integer sound the sum is exact, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTPUT_SAMPLES", "quantise", "share_residue"]

BLOCK = 4096
"""Samples over which energies are measured and between which the shares glide."""

OUTPUT_SAMPLES = 16 * BLOCK
"""Samples of the pieces in which stems are put out (the last of a song is shorter)."""


def share_residue(
    pairs: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> Iterator[NDArray[np.float32]]:
    """Yield stems that sum to the mixture: what they lack is shared by their energy.

    The share of a stem glides from its part of the energy in the block before to that in the
    current one, so that there are no steps.

    Args:
        pairs: ``(stems, mixture)``: ``(stems, channels, samples)`` and ``(channels, samples)``.
            Every piece but the last must have `OUTPUT_SAMPLES`, so that the blocks of all lie on
            one grid.

    Yields:
        ``(stems, channels, samples)`` float32.
    """
    before: NDArray[np.float32] | None = None
    glide = np.arange(BLOCK, dtype=np.float32) / np.float32(BLOCK)
    for stems, mixture in pairs:
        samples = mixture.shape[-1]
        share = _energy_share(stems).astype(np.float32)  # (stems, blocks)
        before = share[:, 0] if before is None else before
        edges = np.concatenate([before[:, None], share], axis=1)
        before = share[:, -1]
        lacking = mixture.astype(np.float64) - stems.sum(axis=0, dtype=np.float64)
        residue = lacking.astype(np.float32)
        whole = np.empty_like(stems)
        for stem, edge, out in zip(stems, edges, whole, strict=True):  # one at a time: in the cache
            weight = edge[:-1, None] + glide * np.diff(edge)[:, None]  # (blocks, BLOCK)
            np.multiply(weight.reshape(-1)[:samples], residue, out=out)
            out += stem
        yield whole


def _energy_share(stems: NDArray[np.float32]) -> NDArray[np.float64]:
    missing = -stems.shape[-1] % BLOCK
    padded = np.pad(stems, ((0, 0), (0, 0), (0, missing)))
    blocks = padded.reshape(*stems.shape[:2], -1, BLOCK)  # (stems, channels, blocks, BLOCK)
    energy = np.einsum("scbn,scbn->sb", blocks, blocks, dtype=np.float64) + 1e-12
    return np.asarray(energy / energy.sum(axis=0))


def quantise(
    stems: NDArray[np.float32], mixture: NDArray[np.int32], bit_depth: int
) -> NDArray[np.int32]:
    """Return integer stems whose sum is the integer mixture exactly, each within one step.

    Each stem is the difference of two neighbouring rounded partial sums, the last of which is the
    mixture itself: the rounding residue passes from stem to stem and nothing of it is left. What
    a stem would exceed the range by goes to the others; that is always possible, because the
    mixture is in range.

    Args:
        stems: ``(stems, channels, samples)`` in [-1, 1], summing to the mixture.
        mixture: ``(channels, samples)``, in steps of ``bit_depth``.
        bit_depth: bits a sample.

    Returns:
        ``(stems, channels, samples)``, in steps of ``bit_depth``.
    """
    full_scale = 2.0 ** (bit_depth - 1)
    low, high = int(-full_scale), int(full_scale) - 1
    # What the partial sums may reach: where 32 bits hold it, they take a third of the time.
    highest = full_scale * len(stems) * max(1, -stems.min(initial=0), stems.max(initial=0))
    integers = np.int32 if highest < 2**30 else np.int64
    steps = np.empty(stems.shape, integers)
    total, rounded = np.zeros(mixture.shape), np.empty(mixture.shape)
    before = np.zeros(mixture.shape, integers)
    for stem, step in zip(stems, steps, strict=True):  # one at a time: in the cache
        total += stem
        np.rint(np.multiply(total, full_scale, out=rounded), out=rounded)
        partial = rounded.astype(integers)
        np.subtract(partial, before, out=step)
        before = partial
    steps[-1] += mixture - before
    if steps.min(initial=0) < low or steps.max(initial=0) > high:
        steps = np.clip(steps, low, high)
        residue = mixture - steps.sum(axis=0)
        for stem in steps:
            given = np.clip(stem + residue, low, high) - stem
            stem += given
            residue -= given
    return steps.astype(np.int32, copy=False)
