"""Symmetric positive definite block-Toeplitz systems, far faster than by a dense solver.

Takes: correlations. Gives: least-squares filters. All arrays are float64 of `Arrays.xp`, with any
number of systems along the first axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stemsep.evaluation.arrays import Arrays

__all__ = ["solve_block_toeplitz"]

RIDGES = (0.0, 1e-11, 1e-9, 1e-7)
"""Added to the diagonal of a system of unit diagonal: the next where one leaves it singular."""

PIVOT = 1e-10
"""A system with a smaller pivot is singular to rounding. Real music has pivots above 1e-7."""

CHANGE = 1e-15
"""Refinement ends when a step explains less than this part of the energy explained so far."""

STEPS = 30
"""Steps of refinement, at most. One is the rule; singular systems need more."""


def solve_block_toeplitz(arrays: Arrays, lags: Any, right: Any) -> tuple[Any, bool]:
    """Return x of ``sum over j, s of lags[i, j, taps - 1 + t - s] x[j, s] = right[i, t]``.

    The Schur algorithm factorises the system in O(channels³ taps²) steps; conjugate gradients with
    that factor as preconditioner remove its rounding errors and, where the system is singular,
    the ridge that it needed: they approach the solution of least norm.

    Args:
        arrays: the array library.
        lags: ``(systems, channels, channels, 2 taps - 1)``, of unit diagonal.
        right: ``(systems, channels, columns, taps)``.

    Returns:
        The solution, of the shape of ``right``, and whether a system was singular to rounding.

    Reference: T. Kailath, A. H. Sayed, "Displacement structure: theory and applications", SIAM
    Review 37(3), 1995; stable ("mixed") transformations: A. W. Bojanczyk, R. P. Brent, F. R. de
    Hoog, D. R. Sweet, "On the stability of the Bareiss and related Toeplitz factorization
    algorithms", SIAM J. Matrix Anal. Appl. 16(1), 1995.
    """
    systems, channels, columns, taps = right.shape
    rows, singular = _factor(arrays, lags)
    # The factor orders unknowns by delay, then channel.
    right = arrays.contiguous(right.swapaxes(1, 3).swapaxes(2, 3))
    right = right.reshape(systems, taps * channels, columns)
    solution = _refined(_operator(arrays, lags, taps), lambda b: _solve(arrays, rows, b), right)
    solution = solution.reshape(systems, taps, channels, columns)
    return arrays.contiguous(solution.swapaxes(2, 3).swapaxes(1, 3)), singular


def _factor(arrays: Arrays, lags: Any) -> tuple[list[Any], bool]:
    for ridge in RIDGES:
        try:
            rows = _schur(arrays, lags, ridge)
        except (np.linalg.LinAlgError, RuntimeError):  # torch's LinAlgError is a RuntimeError
            continue
        channels = lags.shape[1]
        index = np.arange(channels)
        if min(float(row[:, index, index].min()) ** 2 for row in rows) > PIVOT:
            break
    return rows, ridge > RIDGES[0]


def _schur(arrays: Arrays, lags: Any, ridge: float) -> list[Any]:
    """Return the block rows of the upper Cholesky factor R, each from its diagonal block on.

    With A the first block row of R and B the same without its diagonal block, R^T R differs from
    itself shifted by one block by A^T A - B^T B. Each step shifts A, turns A and B so that the
    first block of B vanishes and this difference stays, and gives the next block row as A.
    """
    xp = arrays.xp
    systems, channels, _, length = lags.shape
    taps = (length + 1) // 2
    flipped = xp.flip(lags[..., :taps], (-1,))
    row = arrays.contiguous(flipped.swapaxes(2, 3)).reshape(systems, channels, taps * channels)
    eye = arrays.put(np.eye(channels))
    lower = xp.linalg.cholesky(row[..., :channels] + ridge * eye)
    a = xp.linalg.inv(lower) @ row
    a[..., :channels] = lower.swapaxes(1, 2)
    b = a
    rows = [a]
    for _ in range(taps - 1):
        a, b = a[..., :-channels], b[..., channels:]
        k = b[..., :channels] @ xp.linalg.inv(a[..., :channels])
        p = xp.linalg.cholesky(eye - k.swapaxes(1, 2) @ k)
        q = xp.linalg.cholesky(eye - k @ k.swapaxes(1, 2))
        a = xp.linalg.inv(p) @ (a - k.swapaxes(1, 2) @ b)
        # b from the new a, not from the old one: this keeps rounding errors from growing.
        b = q.swapaxes(1, 2) @ b - (xp.linalg.inv(q) @ k @ p) @ a
        rows.append(a)
    return rows


def _solve(arrays: Arrays, rows: list[Any], right: Any) -> Any:
    """Return the solution of ``R^T R x = right`` by substitution."""
    xp = arrays.xp
    channels = rows[0].shape[1]
    x = right + 0.0
    inverses = [xp.linalg.inv(row[..., :channels]) for row in rows]
    for k, (row, inverse) in enumerate(zip(rows, inverses, strict=True)):
        here, after = slice(k * channels, (k + 1) * channels), slice((k + 1) * channels, None)
        x[:, here] = inverse.swapaxes(1, 2) @ x[:, here]
        x[:, after] -= row[..., channels:].swapaxes(1, 2) @ x[:, here]
    for k in reversed(range(len(rows))):
        here, after = slice(k * channels, (k + 1) * channels), slice((k + 1) * channels, None)
        x[:, here] = inverses[k] @ (x[:, here] - rows[k][..., channels:] @ x[:, after])
    return x


def _operator(arrays: Arrays, lags: Any, taps: int) -> Callable[[Any], Any]:
    """Return the product of the system with ``(systems, taps * channels, columns)``."""
    fft, n_fft = arrays.xp.fft, 2 * taps
    systems, channels = lags.shape[:2]
    response = fft.rfft(lags, n_fft)[:, :, :, None]

    def times(vectors: Any) -> Any:
        columns = vectors.shape[-1]
        signal = vectors.reshape(systems, taps, channels, columns).swapaxes(1, 3).swapaxes(1, 2)
        # (systems, 1, channels, columns, freq); lags as circular as the transform: the wrapped part
        # falls on delays that are cut off.
        spectrum = fft.rfft(arrays.contiguous(signal), n_fft)[:, None]
        product = fft.irfft((response * spectrum).sum(2), n_fft)[..., taps - 1 : 2 * taps - 1]
        product = arrays.contiguous(product.swapaxes(1, 2).swapaxes(1, 3))
        return product.reshape(systems, taps * channels, columns)

    return times


def _refined(times: Callable[[Any], Any], precondition: Callable[[Any], Any], right: Any) -> Any:
    """Return the solution of ``times(x) = right`` by conjugate gradients, column by column."""
    x = precondition(right)
    residual = right - times(x)
    direction = rest = precondition(residual)
    size = (residual * rest).sum(1)
    explained = (right * x).sum(1)
    for _ in range(STEPS):
        if bool((size <= CHANGE * explained).all()):
            break
        image = times(direction)
        curvature = (direction * image).sum(1)
        # A column that is solved stays as it is.
        step = size / (curvature + (curvature <= 0))
        x = x + step[:, None] * direction
        residual = residual - step[:, None] * image
        rest = precondition(residual)
        before, size = size, (residual * rest).sum(1)
        direction = rest + (size / (before + (before == 0)))[:, None] * direction
    return x
