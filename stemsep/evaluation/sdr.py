"""Signal-to-distortion ratios of estimated stems, in dB, with NumPy.

Two conventions, never to be mixed: `frame_sdr` (museval, BSSEval v4) and `track_sdr` (the "uSDR"
of the 2021 challenge).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.evaluation.waveforms import (
    Waveforms,
    block_pairs,
    block_totals,
    check_pair,
    is_silent,
)

__all__ = [
    "frame_energies",
    "frame_sdr",
    "mean_scores",
    "median_frame_sdr",
    "track_sdr",
    "track_sdr_sums",
]


def frame_sdr(
    *, estimate: Waveforms, reference: Waveforms, sample_rate: int
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
    check_pair(estimate, reference)
    length = min(sample_rate, reference.shape[-1])
    parts = []
    for guess, truth in block_pairs(estimate, reference, multiple=length):
        frames = truth.shape[-1] // length  # an incomplete last one is left out
        shape = (*truth.shape[:2], frames, length)
        cut = (w[..., : frames * length].reshape(shape) for w in (guess, truth))
        parts.append(np.stack(frame_energies(*cut)))
    signal, error, counts = np.concatenate(parts, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(signal / error) * counts)


def frame_energies(guess: Any, truth: Any) -> tuple[Any, Any, Any]:
    """Return what the SDR of frames is made of, each ``(stems, frames)``.

    Energy of the truth; of the error; and 1 where a frame counts, NaN where a stem is silent.

    Args:
        guess: estimates, ``(stems, channels, frames, window)``, an array of NumPy or torch.
        truth: the same shape.
    """
    error = truth - guess
    signal = (truth * truth).sum((1, 3))
    silent = (is_silent(truth) | is_silent(guess)).any(0)
    counts = signal * 0 + 1
    counts[:, silent] = np.nan
    return signal, (error * error).sum((1, 3)), counts


def median_frame_sdr(
    *, estimate: Waveforms, reference: Waveforms, sample_rate: int
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
    *, estimate: Waveforms, reference: Waveforms, totals: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the SDR over the whole track, per stem: "uSDR" of the Music Demixing Challenge 2021.

    Args:
        estimate: ``(stems, channels, samples)``.
        reference: the same shape.
        totals: of `track_sdr_sums`, where they are known.

    Raises:
        ParameterError: as `frame_sdr`.

    Reference: Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal
    Processing 1, 2022 (arXiv 2108.13559), equation 1 with 1e-7 against division by zero.
    """
    check_pair(estimate, reference)
    if totals is None:
        (totals,) = block_totals([track_sdr_sums], estimate, reference)
    energy, error = totals
    return np.asarray(10 * np.log10((energy + 1e-7) / (error + 1e-7)))


def track_sdr_sums(guess: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energies of the truth and of the error in a block, ``(2, stems)``."""
    return np.stack([(truth**2).sum((1, 2)), ((truth - guess) ** 2).sum((1, 2))])


def mean_scores(
    tracks: Iterable[tuple[Waveforms, Waveforms, int]],
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
