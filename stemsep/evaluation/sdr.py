"""Signal-to-distortion ratios of estimated stems, in dB, with NumPy.

Two conventions, never to be mixed: `frame_sdr` (museval, BSSEval v4) and `track_sdr` (the "uSDR"
of the 2021 challenge).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError

__all__ = ["frame_sdr", "is_silent", "mean_scores", "median_frame_sdr", "track_sdr"]


def frame_sdr(
    *, estimate: NDArray[np.floating], reference: NDArray[np.floating], sample_rate: int
) -> NDArray[np.float64]:
    """Return the SDR of each whole second, as museval 0.4.1 (BSSEval v4) defines it.

    A frame in which any stem, true or estimated, is silent is NaN for all stems. (Silent is a
    stem whose channels sum to zero, as museval has it: so is one with opposite channels.) A stem
    that is silent throughout makes all frames NaN, where museval refuses the track.

    Args:
        estimate: ``(stems, channels, samples)``.
        reference: the same shape.
        sample_rate: Hz; a frame is one second long, frames do not overlap, and what follows the
            last whole second is not counted. Less than a second is one frame.

    Returns:
        ``(stems, frames)``, in dB; infinite for a perfect estimate.

    Raises:
        ParameterError: arrays of different shapes, or without samples.

    Reference: F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign",
    LVA/ICA 2018 (arXiv 1804.06267).
    """
    _check_shapes(estimate, reference)
    length = min(sample_rate, reference.shape[-1])
    truth, guess = _frames(reference, length), _frames(estimate, length)
    energy = (truth**2).sum(axis=(1, 3))  # (stems, frames)
    error = ((truth - guess) ** 2).sum(axis=(1, 3))
    silent = (is_silent(truth) | is_silent(guess)).any(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = 10 * np.log10(energy / error)
    ratio[:, silent] = np.nan
    return ratio


def median_frame_sdr(
    *, estimate: NDArray[np.floating], reference: NDArray[np.floating], sample_rate: int
) -> NDArray[np.float64]:
    """Return the median over seconds of `frame_sdr`, per stem; NaN where no frame counts.

    Frames that are NaN or infinite do not count, as in museval's own tables.
    """
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

    Raises:
        ParameterError: as `frame_sdr`.

    Reference: Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal
    Processing 1, 2022 (arXiv 2108.13559), equation 1 with 1e-7 against division by zero.
    """
    _check_shapes(estimate, reference)
    truth, guess = reference.astype(np.float64), estimate.astype(np.float64)
    energy = (truth**2).sum(axis=(1, 2))
    error = ((truth - guess) ** 2).sum(axis=(1, 2))
    return np.asarray(10 * np.log10((energy + 1e-7) / (error + 1e-7)))


def mean_scores(
    tracks: Iterable[tuple[NDArray[np.floating], NDArray[np.floating], int]],
) -> dict[str, NDArray[np.float64]]:
    """Return both conventions over a set of tracks, per stem, in dB.

    Args:
        tracks: of each its estimate and its reference ``(stems, channels, samples)``, and Hz.

    Returns:
        ``"museval SDR"``: the median over tracks of `median_frame_sdr`; ``"uSDR"``: the mean over
        tracks of `track_sdr`. Each ``(stems,)``.
    """
    medians, whole = [], []
    for estimate, reference, sample_rate in tracks:
        medians.append(
            median_frame_sdr(estimate=estimate, reference=reference, sample_rate=sample_rate)
        )
        whole.append(track_sdr(estimate=estimate, reference=reference))
    return {"museval SDR": np.nanmedian(medians, axis=0), "uSDR": np.mean(whole, axis=0)}


def _frames(waveform: NDArray[np.floating], length: int) -> NDArray[np.float64]:
    """Return ``(stems, channels, frames, length)``; an incomplete last frame is left out."""
    frames = waveform.shape[-1] // length
    whole = waveform[..., : frames * length].astype(np.float64)
    return whole.reshape(*waveform.shape[:-1], frames, length)


def is_silent(frames: Any) -> Any:
    """Return whether the channels of ``(stems, channels, frames, window)`` sum to zero throughout.

    Takes arrays of NumPy or torch, gives ``(stems, frames)``.
    """
    return (frames.sum(1) == 0).all(-1)


def _check_shapes(estimate: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    if estimate.shape != reference.shape or reference.ndim != 3 or reference.shape[-1] == 0:
        raise ParameterError(
            f"estimate {estimate.shape} and reference {reference.shape}: both must be "
            "(stems, channels, samples), of one shape, with at least one sample"
        )
