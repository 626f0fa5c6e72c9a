"""NumPy on the processor or torch on a GPU, behind the few operations in which they differ.

Takes: a device name. Gives: the operations. Does not import torch unless the device needs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemsep.errors import ParameterError

__all__ = ["Arrays", "arrays_on", "fast_length"]


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """An array library on one device. What both libraries spell alike is called through `xp`."""

    xp: ModuleType
    put: Callable[[Any], Any]
    """NumPy array -> float64 array on the device."""
    get: Callable[[Any], NDArray[Any]]
    """Array on the device -> NumPy array."""
    contiguous: Callable[[Any], Any]
    frames: Callable[[Any, int, int], Any]
    """Array, length, hop -> view of its last axis as ``(frames, length)``."""
    threads: int
    """Pieces of work done at a time."""

    def over(self, work: Callable[[Any], Any], pieces: Sequence[Any]) -> Iterator[Any]:
        """Yield the result of each piece of work, in order; few of them exist at a time."""
        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(pieces), 4 * self.threads):
                yield from pool.map(work, pieces[start : start + 4 * self.threads])


def arrays_on(device: str) -> Arrays:
    """Return NumPy's operations for ``"cpu"``, else torch's on that device.

    Raises:
        ParameterError: torch knows no such device, or it is not there.
    """
    return _numpy_arrays() if device == "cpu" else _torch_arrays(device)


def _numpy_arrays() -> Arrays:
    return Arrays(
        xp=np,
        put=lambda x: np.asarray(x, dtype=np.float64),
        get=np.asarray,
        contiguous=np.ascontiguousarray,
        frames=lambda x, length, hop: sliding_window_view(x, length, axis=-1)[..., ::hop, :],
        threads=_processors(),
    )


def _torch_arrays(device: str) -> Arrays:
    import torch

    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ParameterError(f"device = {device!r}: {str(error).splitlines()[0]}") from error
    return Arrays(
        xp=torch,
        put=lambda x: torch.as_tensor(np.asarray(x), device=device).to(torch.float64),
        get=lambda x: x.cpu().numpy(),
        contiguous=lambda x: x.contiguous(),
        frames=lambda x, length, hop: x.unfold(-1, length, hop),
        threads=1,
    )


def fast_length(samples: int) -> int:
    """Return the next even length without a prime factor above five: fast to transform."""
    length = samples + samples % 2
    while not _is_smooth(length):
        length += 2
    return length


def _is_smooth(number: int) -> bool:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1


def _processors() -> int:
    """Return how many processors this program may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
