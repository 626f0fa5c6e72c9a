"""Estimates of stems -> better ones by the multichannel Wiener filter.

Each stem is a local Gaussian model: its power at every time and frequency, and one spatial
covariance per frequency, which says how it lies between the channels. Both are taken from the
estimates; the filter that follows from them is applied to the mixture, and so on.

References:
    N. Duong, E. Vincent, R. Gribonval, "Under-determined reverberant audio source separation using
    a full-rank spatial covariance model", IEEE TASLP 18(7), 2010: the model and the filter.
    A. A. Nugraha, A. Liutkus, E. Vincent, "Multichannel audio source separation with deep neural
    networks", IEEE/ACM TASLP 24(9), 2016, section III: the weighted update of the covariances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stemsep.errors import ParameterError

__all__ = ["wiener", "wiener_scale"]

BINS_AT_ONCE = 32
"""Frequencies are independent; so many are filtered together, which bounds the memory."""


def wiener(
    estimates: Tensor,
    mixture: Tensor,
    *,
    iterations: int = 1,
    epsilon: float | None = None,
    scale: Tensor | None = None,
    frames: slice = slice(None),
) -> Tensor:
    """Return the stems after some iterations of expectation and maximisation.

    In each, for all stems j of c channels, with the estimates y_j of the iteration before::

        v_j(f, t) = sum_c |y_j(f, t)|^2 / c                 power
        R_j(f)    = sum_t y_j y_j^H / (sum_t v_j + eps)     spatial covariance
        y_j       = v_j R_j (sum_k v_k R_k + sqrt(eps) I)^-1 x

    It is computed in double precision; eps is that of the given precision, and the mixture is first
    divided by `wiener_scale`. The stems no longer sum to the mixture exactly.

    Args:
        estimates: ``(batch, stems, channels, freq, time)``, complex.
        mixture: ``(batch, channels, freq, time)``, complex.
        iterations: 0 returns the estimates.
        epsilon: eps above, where it is another.
        scale: what the mixture is divided by, where this is only a part of its frequencies.
        frames: which to return; the filter learns from all of them.

    Returns:
        ``(batch, stems, channels, freq, time)``, complex, of ``frames``.

    Raises:
        ParameterError: a negative number of iterations, or shapes that do not fit.
    """
    if iterations < 0:
        raise ParameterError(f"iterations = {iterations}: it must be 0 or more")
    if estimates.ndim != 5 or estimates[:, 0].shape != mixture.shape:
        raise ParameterError(
            f"estimates {tuple(estimates.shape)} do not fit the mixture {tuple(mixture.shape)}: "
            "give (batch, stems, channels, freq, time) and (batch, channels, freq, time)"
        )
    if not iterations:
        return estimates[..., frames]
    eps = torch.finfo(mixture.real.dtype).eps if epsilon is None else epsilon
    scale = wiener_scale(mixture) if scale is None else scale
    filtered = torch.empty_like(estimates[..., frames])
    for start in range(0, mixture.shape[2], BINS_AT_ONCE):
        bins = slice(start, start + BINS_AT_ONCE)
        given = mixture[:, :, bins].to(torch.complex128) / scale
        stems = estimates[:, :, :, bins].to(torch.complex128) / scale[:, None]
        for _ in range(iterations):
            stems = _iterate(stems, given, eps)
        filtered[:, :, :, bins] = (stems[..., frames] * scale[:, None]).to(estimates.dtype)
    return filtered


def wiener_scale(mixture: Tensor) -> Tensor:
    """Return what a mixture ``(batch, channels, freq, time)`` is divided by, ``(batch, 1, 1, 1)``.

    Its largest magnitude is then at most 10.
    """
    return (mixture.abs().amax((1, 2, 3), keepdim=True) / 10).clamp_min(1)


def _iterate(stems: Tensor, mixture: Tensor, eps: float) -> Tensor:
    channels = mixture.shape[1]
    power = torch.view_as_real(stems).square().sum(-1).mean(2)  # (batch, stems, freq, time)
    products = torch.einsum("bscft,bsdft->bsfcd", stems, stems.conj())
    spatial = products / (power.sum(-1) + eps)[..., None, None]
    model = torch.einsum("bsft,bsfcd->bcdft", power.to(stems.dtype), spatial)
    identity = torch.eye(channels, dtype=stems.dtype, device=stems.device)
    white = _solve(model + eps**0.5 * identity[:, :, None, None], mixture)
    filtered: Tensor = torch.einsum("bsfcd,bdft->bscft", spatial, white)
    return filtered * power[:, :, None]


def _solve(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Return ``matrices^-1 vectors`` at every time and frequency.

    Args:
        matrices: ``(batch, channels, channels, freq, time)``, Hermitian.
        vectors: ``(batch, channels, freq, time)``.
    """
    if vectors.shape[1] != 2:
        rows = matrices.permute(0, 3, 4, 1, 2)  # (batch, freq, time, channels, channels)
        result: Tensor = torch.linalg.solve(rows, vectors.permute(0, 2, 3, 1))
        return result.permute(0, 3, 1, 2)
    # In closed form: a hundred times as fast as a solver for a million of such small matrices.
    (a, b), (c, d) = (row.unbind(1) for row in matrices.unbind(1))
    first, second = vectors.unbind(1)
    solved = torch.stack([d * first - b * second, a * second - c * first], dim=1)
    return solved / (a * d - b * c)[:, None]
