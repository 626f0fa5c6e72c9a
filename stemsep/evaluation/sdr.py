"""Signal-to-distortion ratios of estimated stems, in dB, with NumPy.

Two conventions, never to be mixed: `frame_sdr` (museval, BSSEval v4) and `track_sdr` (the "uSDR"
of the 2021 challenge).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frame_sdr", "median_frame_sdr", "track_sdr"]


def frame_sdr(
    *, estimate: NDArray[np.floating], reference: NDArray[np.floating], sample_rate: int
) -> NDArray[np.float64]:
    """Return the SDR of each whole second, as museval 0.4.1 (BSSEval v4) defines it.

    A frame in which any stem, true or estimated, is silent is NaN for all stems.

    Args:
        estimate: ``(stems, channels, samples)``.
        reference: the same shape.
        sample_rate: Hz; a frame is one second long, frames do not overlap.

    Returns:
        ``(stems, frames)``, in dB.

    Reference: F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign",
    LVA/ICA 2018 (arXiv 1804.06267).
    """
    frames = reference.shape[-1] // sample_rate
    shape = (*reference.shape[:-1], frames, sample_rate)
    truth = reference[..., : frames * sample_rate].astype(np.float64).reshape(shape)
    guess = estimate[..., : frames * sample_rate].astype(np.float64).reshape(shape)
    energy = (truth**2).sum(axis=(1, 3))  # (stems, frames)
    error = ((truth - guess) ** 2).sum(axis=(1, 3))
    silent = ((energy == 0) | ((guess**2).sum(axis=(1, 3)) == 0)).any(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(energy / error)
    ratio[:, silent] = np.nan
    return ratio


def median_frame_sdr(
    *, estimate: NDArray[np.floating], reference: NDArray[np.floating], sample_rate: int
) -> NDArray[np.float64]:
    """Return the median over seconds of `frame_sdr`, per stem; NaN where no frame counts."""
    ratio = frame_sdr(estimate=estimate, reference=reference, sample_rate=sample_rate)
    ratio[~np.isfinite(ratio)] = np.nan
    result = np.full(len(ratio), np.nan)
    counted = np.isfinite(ratio).any(axis=1)
    result[counted] = np.nanmedian(ratio[counted], axis=1)
    return result


def track_sdr(
    *, estimate: NDArray[np.floating], reference: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the SDR over the whole track, per stem: "uSDR" of the Music Demixing Challenge 2021.

    Args:
        estimate: ``(stems, channels, samples)``.
        reference: the same shape.

    Reference: Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal
    Processing 1, 2022 (arXiv 2108.13559), equation 1 with 1e-7 against division by zero.
    """
    truth, guess = reference.astype(np.float64), estimate.astype(np.float64)
    energy = (truth**2).sum(axis=(1, 2))
    error = ((truth - guess) ** 2).sum(axis=(1, 2))
    return np.asarray(10 * np.log10((energy + 1e-7) / (error + 1e-7)))
