"""Where a song is loudest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stemsep.audio.blocks import reblock
from stemsep.audio.convert import to_float
from stemsep.audio.info import Block

__all__ = ["loudest_start"]


def loudest_start(blocks: Iterable[Block], sample_rate: int, *, seconds: int) -> int:
    """Return the sample at which the loudest stretch begins, a multiple of one second.

    Loud means much energy; a song shorter than the stretch begins at 0.

    Args:
        blocks: ``(channels, n)`` with any n.
        sample_rate: Hz.
        seconds: length of the stretch.
    """
    energies = [
        float(np.square(to_float(second), dtype=np.float64).sum())
        for second in reblock(blocks, sample_rate)
    ]
    if len(energies) <= seconds:
        return 0
    sums = np.convolve(energies, np.ones(seconds), mode="valid")
    return int(np.argmax(sums)) * sample_rate
