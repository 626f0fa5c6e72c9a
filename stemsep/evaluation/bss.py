"""BSSEval: SDR, ISR, SIR and SAR of estimated stems, window by window, as museval defines them.

Takes: true and estimated waveforms. Gives: scores in dB. On the processor with NumPy and SciPy
(torch is not imported), on a GPU with torch, by the same formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError
from stemsep.evaluation.arrays import Arrays, arrays_on, fast_length
from stemsep.evaluation.projection import (
    correlations,
    excerpt,
    independent_channels,
    principal_axes,
    projection_filters,
    rotated,
)
from stemsep.evaluation.sdr import is_silent

__all__ = ["BSSScores", "bss_eval"]

BATCH_SAMPLES = 1 << 17
"""Samples of each channel that are transformed at a time."""


@dataclass(frozen=True, kw_only=True)
class BSSScores:
    """Scores of one track, each ``(stems, frames)`` in dB."""

    sdr: NDArray[np.float64]
    """Signal to distortion."""
    isr: NDArray[np.float64]
    """Image to spatial distortion."""
    sir: NDArray[np.float64]
    """Signal to interference."""
    sar: NDArray[np.float64]
    """Signal to artefacts."""
    frame_times: NDArray[np.float64]
    """Start of each frame, in seconds: ``(frames,)``."""
    singular: bool
    """Some channel of the references is a sum of others (a mono stem's right is its left)."""


def bss_eval(
    *,
    estimates: NDArray[np.floating],
    references: NDArray[np.floating],
    sample_rate: int,
    window_seconds: float = 1.0,
    hop_seconds: float = 1.0,
    filter_length: int = 512,
    version: Literal["v4", "v3"] = "v4",
    framewise_filters: bool = False,
    device: str = "cpu",
) -> BSSScores:
    """Return the scores that museval 0.4.1 gives these stems, stem ``i`` paired with stem ``i``.

    A frame in which any stem, true or estimated, is silent is NaN for all stems (silent is a stem
    whose channels sum to zero). So a stem that is silent throughout makes all frames NaN, where
    museval refuses the track. Estimates that are too short are padded with zeros, what they have
    beyond the references is left out.

    Args:
        estimates: ``(stems, channels, samples)``.
        references: ``(stems, channels, samples)``.
        sample_rate: Hz.
        window_seconds: length of a frame; a track that is shorter is one frame.
        hop_seconds: from the start of one frame to that of the next.
        filter_length: taps of the distortion filters.
        version: v4 fits the filters to the whole track, v3 to each frame.
        framewise_filters: the filters of v3 in v4 (which makes them equal).
        device: ``"cpu"`` is NumPy; other names are torch's.

    Raises:
        ParameterError: arrays whose stems or channels differ or without samples, or a window,
            hop, filter, version or device that does not exist.

    Reference: E. Vincent et al., "First stereo audio source separation evaluation campaign", ICA
    2007; F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign",
    LVA/ICA 2018 (arXiv 1804.06267).
    """
    _check_shapes(estimates, references)
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    if min(window, hop, filter_length) < 1:
        raise ParameterError("window, hop and filter must be at least one sample long")
    if version not in ("v4", "v3"):
        raise ParameterError(f"version = {version!r}: choose from v4, v3")
    samples = references.shape[-1]
    starts, window = _frame_starts(samples, window=window, hop=hop), min(window, samples)
    score = partial(_score, arrays=arrays_on(device), window=window, taps=filter_length)
    if version == "v3" or framewise_filters:
        span = [slice(start, start + window) for start in starts]
        frames = [score(estimates[..., s], references[..., s], starts=starts[:1]) for s in span]
    else:
        frames = [score(estimates, references, starts=starts)]
    sdr, isr, sir, sar = np.concatenate([ratios for ratios, _ in frames], axis=-1)
    return BSSScores(
        sdr=sdr,
        isr=isr,
        sir=sir,
        sar=sar,
        frame_times=starts / sample_rate,
        singular=any(singular for _, singular in frames),
    )


def _frame_starts(samples: int, *, window: int, hop: int) -> NDArray[np.int64]:
    """Return the first sample of each frame; an incomplete last frame is left out."""
    return np.arange(0, max(samples - window, 0) + 1, hop)


def _score(
    estimates: NDArray[np.floating],
    references: NDArray[np.floating],
    *,
    starts: NDArray[np.int64],
    window: int,
    taps: int,
    arrays: Arrays,
) -> tuple[NDArray[np.float64], bool]:
    """Return SDR, ISR, SIR, SAR ``(4, stems, frames)`` with one set of filters, and `singular`."""
    stems, channels, _ = references.shape
    filters = _fit(arrays, estimates, references, taps)
    if filters is None:
        return np.full((4, stems, len(starts)), np.nan), False
    energies = []
    batch = max(1, BATCH_SAMPLES // window)
    for first in range(0, len(starts), batch):
        begin = starts[first : first + batch]
        low, high = begin[0], begin[-1] + window
        index = (begin - low)[:, None] + np.arange(window)  # (frames, window)
        truth, guess = (
            arrays.put(excerpt(x, low, high))[:, index].reshape(stems, channels, *index.shape)
            for x in (references, estimates)
        )
        energies.append(arrays.get(_energies(arrays, truth, guess, filters)))
    return _ratios(np.concatenate(energies, axis=-1)), filters.joint.singular


@dataclass(frozen=True, kw_only=True)
class _Projection:
    kept: list[int]
    """Channels of the rotated references that it is made of."""
    filters: Any
    """``(kept, estimate channels, taps)``."""
    singular: bool


@dataclass(frozen=True, kw_only=True)
class _Filters:
    axes: Any
    """Of each stem's channels, from `principal_axes`."""
    own: list[_Projection]
    """Of each stem's estimate on that stem."""
    joint: _Projection
    """Of all estimates on all stems."""


def _fit(arrays: Arrays, estimates: Any, references: Any, taps: int) -> _Filters | None:
    """Return the filters of all projections, or None where a reference is zero throughout."""
    stems, channels, _ = references.shape
    axes = principal_axes(arrays, references)
    found = correlations(arrays, estimates=estimates, references=references, axes=axes, taps=taps)
    gram = arrays.get(found.references[..., taps - 1])
    if (gram.diagonal().reshape(stems, channels).max(axis=1) == 0).any():
        return None

    def fit(part: slice, count: int) -> _Projection:
        local, combinations = independent_channels(gram[part, part], count)
        kept = [part.start + channel for channel in local]
        filters, singular = projection_filters(
            arrays, found, channels=kept, combinations=combinations, targets=part
        )
        dependent = combinations.shape[1] < part.stop - part.start
        return _Projection(kept=kept, filters=filters, singular=singular or dependent)

    return _Filters(
        axes=axes,
        own=[fit(slice(i * channels, (i + 1) * channels), 1) for i in range(stems)],
        joint=fit(slice(0, stems * channels), stems),
    )


def _energies(arrays: Arrays, truth: Any, guess: Any, filters: _Filters) -> Any:
    """Return the energies that the ratios are made of: ``(8, stems, frames)``.

    Of the truth, of the error; of spatial distortion, of the truth filtered, of interference, of
    both together, of artefacts; and whether the frame counts. Projections are longer than a frame
    by the filters' length, and are never needed as signals: by Parseval's theorem the energies
    are those of their spectra.

    Args:
        arrays: the array library.
        truth: ``(stems, channels, frames, window)``.
        guess: the same shape.
        filters: of the track.
    """
    xp = arrays.xp
    stems, channels, frames, window = truth.shape
    taps = filters.joint.filters.shape[-1]
    n_fft = fast_length(window + taps - 1)
    true, found = (arrays.rfft(rotated(x, filters.axes), n_fft) for x in (truth, guess))
    flat = true.reshape(stems * channels, frames, -1)

    def projected(on: _Projection) -> Any:
        response = arrays.rfft(on.filters, n_fft)  # (kept, targets, freq)
        return sum(flat[c][None] * response[i][:, None] for i, c in enumerate(on.kept))

    own = xp.stack([projected(stem) for stem in filters.own])
    joint = projected(filters.joint).reshape(true.shape)

    def energy(spectrum: Any) -> Any:
        power = (spectrum.real**2 + spectrum.imag**2).sum(1)  # over channels
        total = 2 * power.sum(-1) - power[..., 0]
        return (total - power[..., -1] if n_fft % 2 == 0 else total) / n_fft

    silent = is_silent(truth).any(0) | is_silent(guess).any(0)
    return xp.stack(
        [
            (truth**2).sum((1, 3)),
            ((truth - guess) ** 2).sum((1, 3)),
            energy(own - true),
            energy(own),
            energy(joint - own),
            energy(joint),
            energy(found - joint),
            xp.where(silent, np.nan, 1.0) * xp.ones_like(truth[:, 0, :, 0]),
        ]
    )


def _ratios(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return SDR, ISR, SIR, SAR of the energies that `_energies` gives."""
    true, error, spatial, own, interference, joint, artefacts, counts = energies
    above = np.stack([true, true, own, joint])
    below = np.stack([error, spatial, interference, artefacts])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below == 0, np.inf, 10 * np.log10(above / below)) * counts)


def _check_shapes(estimates: Any, references: Any) -> None:
    shape, other = tuple(references.shape), tuple(estimates.shape)
    if len(shape) != 3 or len(other) != 3 or shape[:2] != other[:2] or 0 in shape:
        raise ParameterError(
            f"estimates {other} and references {shape}: both must be (stems, channels, samples), "
            "with the same stems and channels, and references with at least one sample"
        )
