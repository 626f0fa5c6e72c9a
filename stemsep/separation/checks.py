"""Is it sound that a caller gives?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import first_non_finite
from stemsep.errors import ParameterError

__all__ = ["as_array", "check_rate", "checked_blocks"]

MOST_CHANNELS = 1024
"""As many as a WAV file may have; more means that the axes were swapped."""


def checked_blocks(
    blocks: Iterable[Tensor | NDArray[np.floating]], sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Yield blocks as float32 arrays, or say what is wrong with one.

    Args:
        blocks: ``(channels, samples)`` each, any sizes.
        sample_rate: Hz, to name the second.

    Raises:
        ParameterError: a block with another number of channels or axes, or a non-finite sample.
    """
    channels, done = 0, 0
    for given in blocks:
        block = as_array(given)
        if block.ndim != 2 or (channels and block.shape[0] != channels) or not block.shape[0]:
            wanted = f"({channels or 'channels'}, samples)"
            raise ParameterError(f"a block of shape {block.shape}: all must be {wanted}")
        if block.shape[0] > MOST_CHANNELS:
            raise ParameterError(
                f"{block.shape[0]} channels: give (channels, samples), not (samples, channels)"
            )
        bad = first_non_finite(block)
        if bad is not None:
            raise ParameterError(
                f"a non-finite sample (NaN or infinity) at {(done + bad) / sample_rate:.3f} s"
            )
        channels, done = block.shape[0], done + block.shape[1]
        yield block


def as_array(given: Tensor | NDArray[np.floating]) -> NDArray[np.float32]:
    """Return sound from any library as a float32 array.

    Raises:
        ParameterError: integers.
    """
    if isinstance(given, Tensor):
        tensor = given.detach().cpu()
        given = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    array = np.asarray(given)
    if array.dtype.kind != "f":
        raise ParameterError(
            f"sound as {array.dtype}: give floating point in [-1, 1] (16-bit integers / 32768)"
        )
    return np.ascontiguousarray(array, np.float32)


def check_rate(sample_rate: float) -> None:
    """Make sure that a rate is one.

    Raises:
        ParameterError: not a number, or below 1 Hz.
    """
    if not isinstance(sample_rate, Real) or not 1 <= sample_rate < math.inf:
        raise ParameterError(f"sample_rate = {sample_rate}: it must be a number of 1 Hz or more")
