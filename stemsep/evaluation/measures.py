"""Measures of whole tracks beside SDR: scale-invariant SDR, spectral distance, sound in pauses.

Takes: true and estimated waveforms. Gives: one number per stem, with NumPy, in memory that does
not grow with the track.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stemsep.evaluation.waveforms import (
    Waveforms,
    block_pairs,
    block_totals,
    check_pair,
    excerpt,
)

__all__ = [
    "log_spectral_distance",
    "pause_samples",
    "si_sdr",
    "si_sdr_sums",
    "silent_energy_db",
    "silent_energy_sums",
]

FLOOR_DB = -100.0
"""Less sound than this (full scale is 0 dB) is none."""

PAUSE_DB = -60.0
"""A stem pauses where its mean square is below this."""

CANCELLED = 1e-5
"""An error of less than this part of the estimate is measured by itself, not as a difference."""

N_FFT, HOP_LENGTH = 2048, 512
"""Of the spectral distance, at any sample rate."""

FRAMES = 128
"""Of these, transformed at a time."""


def si_sdr(
    *, estimate: Waveforms, reference: Waveforms, totals: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the scale-invariant SDR over the whole track, per stem, in dB.

    The reference is scaled by what makes the error smallest, by one factor for all channels; the
    mean is not removed.

    Args:
        estimate: ``(stems, channels, samples)``.
        reference: the same shape.
        totals: of `si_sdr_sums`, where they are known.

    Returns:
        ``(stems,)``; infinite for a scaled copy, minus infinite for an estimate at right angles to
        the reference, NaN where one of the two is silent throughout.

    Raises:
        ParameterError: arrays of different shapes, or without samples.

    Reference: J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR: half-baked or well done?",
    ICASSP 2019 (arXiv 1811.02508), equation 3.
    """
    check_pair(estimate, reference)
    if totals is None:
        (totals,) = block_totals([si_sdr_sums], estimate, reference)
    energy, common, found = totals
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = common / energy
        error = found - scale * common
        if (error <= CANCELLED * found).any():  # the difference of two equal numbers is rounding
            error[:] = 0
            for guess, truth in block_pairs(estimate, reference):
                error += ((guess - scale[:, None, None] * truth) ** 2).sum((1, 2))
        return np.asarray(10 * np.log10(scale**2 * energy / error))


def si_sdr_sums(guess: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inner products of a block: truth with truth, with guess, and guess with guess.

    Returns:
        ``(3, stems)``.
    """
    pairs = ((truth, truth), (truth, guess), (guess, guess))
    return np.stack([(one * other).sum((1, 2)) for one, other in pairs])


def log_spectral_distance(*, estimate: Waveforms, reference: Waveforms) -> NDArray[np.float64]:
    """Return how far the spectrum is off, per stem, in dB; frames in which the stem pauses aside.

    The root mean square over frequencies of the difference of the two power spectra in dB, then
    the mean over frames and channels. Both spectra (periodic Hann, 2048 samples every 512) end at
    -100 dB below a full-scale sine, so that silence has a finite distance.

    Args:
        estimate: ``(stems, channels, samples)``, full scale 1.
        reference: the same shape.

    Returns:
        ``(stems,)``, 0 for equal spectra; NaN for a stem that pauses throughout.

    Raises:
        ParameterError: arrays of different shapes, or without samples.

    Reference: A. H. Gray, J. D. Markel, "Distance measures for speech processing", IEEE TASSP
    24(5), 1976.
    """
    check_pair(estimate, reference)
    samples = max(N_FFT, reference.shape[-1])
    starts = range(0, samples - N_FFT + 1, HOP_LENGTH)
    total, count = np.zeros(reference.shape[0]), np.zeros(reference.shape[0])
    for first in range(0, len(starts), FRAMES):
        some = starts[first : first + FRAMES]
        guess, truth = (
            sliding_window_view(excerpt(w, some[0], some[-1] + N_FFT), N_FFT, axis=-1)[
                ..., ::HOP_LENGTH, :
            ]
            for w in (estimate, reference)
        )  # (stems, channels, frames, samples)
        sounds = (truth**2).mean((1, 3)) >= 10 ** (PAUSE_DB / 10)  # (stems, frames)
        difference = _levels_db(guess) - _levels_db(truth)
        distance = np.sqrt((difference**2).mean(-1)).mean(1)
        total += (distance * sounds).sum(-1)
        count += sounds.sum(-1)
    with np.errstate(invalid="ignore"):
        return total / count


def silent_energy_db(
    *,
    estimate: Waveforms,
    reference: Waveforms,
    sample_rate: int,
    totals: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return how loud the estimate is where the true stem pauses, per stem: what SDR cannot see.

    Args:
        estimate: ``(stems, channels, samples)``, full scale 1.
        reference: the same shape. It pauses in each tenth of a second with a mean square below
            -60 dB.
        sample_rate: Hz.
        totals: of `silent_energy_sums`, where they are known.

    Returns:
        ``(stems,)``: the mean square of the estimate in all pauses together, in dB of full scale,
        -100 if less; NaN for a stem that never pauses.

    Raises:
        ParameterError: arrays of different shapes, or without samples.

    Reference: the "predicted energy at silence" of K. Schulze-Forster, C. S. J. Doire, G. Richard,
    R. Badeau, "Weakly informed audio source separation", WASPAA 2019, taken over whole pauses.
    """
    check_pair(estimate, reference)
    if totals is None:
        length = pause_samples(reference, sample_rate)
        sums = partial(silent_energy_sums, length=length)
        (totals,) = block_totals([sums], estimate, reference, multiple=length)
    energy, count = totals
    with np.errstate(invalid="ignore"):
        return np.asarray(10 * np.log10(np.maximum(energy / count, 10 ** (FLOOR_DB / 10))))


def pause_samples(reference: Waveforms, sample_rate: int) -> int:
    """Return how many samples are looked at together: a tenth of a second, or all there are."""
    return min(max(1, sample_rate // 10), reference.shape[-1])


def silent_energy_sums(
    guess: NDArray[np.float64], truth: NDArray[np.float64], *, length: int
) -> NDArray[np.float64]:
    """Return the sum of the estimate's mean squares in a block's pauses, and how many these are.

    Args:
        guess: ``(stems, channels, samples)``; what is left of a multiple of ``length`` is ignored.
        truth: the same shape.
        length: of the pieces that are a pause or none, in samples.

    Returns:
        ``(2, stems)``.
    """
    guess_level, truth_level = (
        (w[..., : w.shape[-1] // length * length].reshape(*w.shape[:2], -1, length) ** 2).mean(
            (1, 3)
        )
        for w in (guess, truth)
    )  # (stems, pieces)
    pauses = truth_level < 10 ** (PAUSE_DB / 10)
    return np.stack([(guess_level * pauses).sum(-1), pauses.sum(-1)])


def _levels_db(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power spectra in dB of a full-scale sine, down to the floor."""
    window = np.hanning(N_FFT + 1)[:-1]
    magnitude = np.abs(np.fft.rfft(frames * window)) * (2 / window.sum())
    return np.asarray(20 * np.log10(np.maximum(magnitude, 10 ** (FLOOR_DB / 20))))
