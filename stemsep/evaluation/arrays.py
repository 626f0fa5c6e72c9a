"""NumPy on the processor or torch on a GPU, behind the few operations in which they differ.

Takes: a device name. Gives: the operations. Does not import torch unless the device needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from stemsep.errors import ParameterError

__all__ = ["Arrays", "arrays_on", "fast_length"]


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """An array library on one device. What both spell alike is called through `xp`."""

    xp: ModuleType
    put: Callable[[Any], Any]
    """NumPy array -> float64 array on the device."""
    get: Callable[[Any], NDArray[Any]]
    """Array on the device -> NumPy array."""
    rfft: Callable[[Any, int], Any]
    """Along the last axis, zero-padded to the given length."""
    irfft: Callable[[Any, int], Any]
    contiguous: Callable[[Any], Any]
    cholesky: Callable[[Any], Any]
    """Symmetric matrix (may be overwritten) -> its lower factor, zeros on the diagonal where it is
    not positive definite. What is above the diagonal is arbitrary."""
    cholesky_solve: Callable[[Any, Any], Any]
    """Factor, right-hand sides -> solution."""


def arrays_on(device: str) -> Arrays:
    """Return NumPy's operations for ``"cpu"``, else torch's on that device.

    Raises:
        ParameterError: torch knows no such device, or it is not there.
    """
    return _numpy_arrays() if device == "cpu" else _torch_arrays(device)


def _numpy_arrays() -> Arrays:
    def cholesky(matrix: Any) -> Any:
        try:
            return scipy.linalg.cho_factor(
                matrix, lower=True, overwrite_a=True, check_finite=False
            )[0]
        except scipy.linalg.LinAlgError:
            return np.zeros_like(matrix)

    return Arrays(
        xp=np,
        put=lambda x: np.asarray(x, dtype=np.float64),
        get=np.asarray,
        rfft=partial(scipy.fft.rfft, workers=-1),
        irfft=partial(scipy.fft.irfft, workers=-1),
        contiguous=np.ascontiguousarray,
        cholesky=cholesky,
        cholesky_solve=lambda factor, right: scipy.linalg.cho_solve(
            (factor, True), right, check_finite=False
        ),
    )


def _torch_arrays(device: str) -> Arrays:
    import torch

    def cholesky(matrix: Any) -> Any:
        factor, failed = torch.linalg.cholesky_ex(matrix)
        return torch.zeros_like(factor) if failed else factor

    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ParameterError(f"device = {device!r}: {str(error).splitlines()[0]}") from error
    return Arrays(
        xp=torch,
        put=lambda x: torch.as_tensor(np.asarray(x), device=device).to(torch.float64),
        get=lambda x: x.cpu().numpy(),
        rfft=torch.fft.rfft,
        irfft=torch.fft.irfft,
        contiguous=lambda x: x.contiguous(),
        cholesky=cholesky,
        cholesky_solve=lambda factor, right: torch.cholesky_solve(right, factor),
    )


def fast_length(samples: int) -> int:
    """Return the next length that a transform of real numbers is fast at."""
    return int(scipy.fft.next_fast_len(samples, real=True))
