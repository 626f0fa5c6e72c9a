"""Upper bounds: the estimates of masks that are computed from the true stems.

Takes: true stems and their mixture. Gives: estimates. With the STFT of stemsep's own networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsep.dsp import STFTConfig, istft, stft
from stemsep.evaluation.stems import Stems

__all__ = ["ideal_estimates"]

STFT = STFTConfig(n_fft=4096, hop_length=1024)
TINY = 1e-10
"""Beside magnitudes and powers of sound, against a division by zero."""

RELATIVE = 1e-9
"""Beside the mean eigenvalue of a covariance in double precision, to make it invertible."""

ROWS = 128
"""Frequencies that the Wiener filter is computed for at a time, in double precision."""


def ideal_estimates(
    references: Stems,
    mixture: NDArray[np.float32],
    *,
    kind: Literal["irm1", "irm2", "ibm", "mwf"],
) -> dict[str, NDArray[np.float32]]:
    """Return what ideal masks make of a mixture.

    With the true stems' spectra S_j (freq, time) and the mixture's X, in each channel

    - ``irm1``, ratio of magnitudes: ``|S_j| / sum_k |S_k| * X``;
    - ``irm2``, ratio of powers: ``|S_j|^2 / sum_k |S_k|^2 * X``;
    - ``ibm``, binary: X where stem j is the loudest, else 0;

    and over all channels at once

    - ``mwf``, multichannel Wiener filter: ``v_j R_j (sum_k v_k R_k)^-1 x``, where v_j (freq, time)
      is the power of stem j, the mean over channels, and R_j (freq) its spatial covariance.

    Args:
        references: the true stems.
        mixture: ``(channels, samples)``.
        kind: which masks.

    Returns:
        Stem -> ``(channels, samples)``.

    Reference: F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign",
    LVA/ICA 2018, section 3 (IRM1, IRM2, IBM, MWF); N. Duong, E. Vincent, R. Gribonval,
    "Under-determined reverberant audio source separation using a full-rank spatial covariance
    model", IEEE TASLP 18(7), 2010 (the filter).
    """
    truth = torch.from_numpy(references[..., :])  # (stems, channels, samples)
    song = torch.from_numpy(np.ascontiguousarray(mixture))
    if kind == "mwf":
        estimates = _wiener(truth, song)
    else:
        # One channel at a time: the spectra of a whole song are large.
        pairs = zip(truth.unbind(1), song, strict=True)
        estimates = torch.stack([_masked(stems, channel, kind) for stems, channel in pairs], 1)
    return dict(zip(references.names, estimates.numpy(), strict=True))


def _masked(stems: Tensor, song: Tensor, kind: str) -> Tensor:
    """Return ``(stems, samples)`` of one channel."""
    magnitude = stft(stems, STFT).abs()  # (stems, freq, time)
    if kind == "ibm":
        masks = torch.zeros_like(magnitude).scatter_(0, magnitude.argmax(0, keepdim=True), 1.0)
    else:
        strength = magnitude if kind == "irm1" else magnitude.square()
        masks = strength / (strength.sum(0) + TINY)
    return istft(masks * stft(song, STFT), STFT, length=song.shape[-1])


def _wiener(truth: Tensor, song: Tensor) -> Tensor:
    """Return ``(stems, channels, samples)``."""
    power, covariance = [], []
    for stem in truth:
        spectrum = stft(stem, STFT).permute(1, 2, 0)  # (freq, time, channels)
        power.append(spectrum.abs().square().mean(-1))  # (freq, time)
        outer = torch.einsum("ftc,ftd->fcd", spectrum, spectrum.conj())
        covariance.append(outer / (power[-1].sum(-1) + TINY)[:, None, None])
    mixture = stft(song, STFT).permute(1, 2, 0)  # (freq, time, channels)
    weighted = torch.cat(
        [
            _unmixed(x, [v[rows] for v in power], [r[rows] for r in covariance])
            for x, rows in _row_blocks(mixture)
        ]
    )
    estimates = [
        istft(
            (v[..., None] * torch.einsum("fcd,ftd->ftc", r, weighted)).permute(2, 0, 1),
            STFT,
            length=song.shape[-1],
        )
        for v, r in zip(power, covariance, strict=True)
    ]
    return torch.stack(estimates)


def _row_blocks(spectrum: Tensor) -> list[tuple[Tensor, slice]]:
    return [
        (spectrum[start : start + ROWS], slice(start, start + ROWS))
        for start in range(0, len(spectrum), ROWS)
    ]


def _unmixed(mixture: Tensor, power: Sequence[Tensor], covariance: Sequence[Tensor]) -> Tensor:
    """Return ``(sum_k v_k R_k)^-1 x``, ``(freq, time, channels)``, of some frequencies."""
    total = sum(v[..., None, None] * r[:, None] for v, r in zip(power, covariance, strict=True))
    total = torch.as_tensor(total).to(torch.complex128)  # (freq, time, channels, channels)
    # Of mono stems the covariance has no inverse; of silence, none at all.
    strength = total.diagonal(dim1=-2, dim2=-1).real.mean(-1)[..., None, None]
    ridge = (RELATIVE * strength + TINY) * torch.eye(mixture.shape[-1])
    solution: Tensor = torch.linalg.solve(total + ridge, mixture[..., None].to(total.dtype))
    return solution[..., 0].to(mixture.dtype)
