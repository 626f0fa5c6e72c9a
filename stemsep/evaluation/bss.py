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
from stemsep.evaluation.projection import Filters, fit_filters, rotated
from stemsep.evaluation.sdr import frame_energies
from stemsep.evaluation.waveforms import Waveforms, check_pair, excerpt

__all__ = ["BSSScores", "bss_eval"]

FREQUENCIES = 1024
"""At which projections are formed at a time."""

BATCH_SAMPLES = 5 * 44_100
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
    estimates: Waveforms,
    references: Waveforms,
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
    check_pair(estimates, references, same_length=False)
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    if min(window, hop, filter_length) < 1:
        raise ParameterError("window, hop and filter must be at least one sample long")
    if version not in ("v4", "v3"):
        raise ParameterError(f"version = {version!r}: choose from v4, v3")
    samples = references.shape[-1]
    starts, window = range(0, max(samples - window, 0) + 1, hop), min(window, samples)
    score = partial(_score, arrays_on(device), window=window, taps=filter_length)
    if version == "v3" or framewise_filters:
        frames = [
            score(estimates=estimates[..., part], references=references[..., part], starts=range(1))
            for part in (slice(start, start + window) for start in starts)
        ]
    else:
        frames = [score(estimates=estimates, references=references, starts=starts)]
    sdr, isr, sir, sar = np.concatenate([ratios for ratios, _ in frames], axis=-1)
    return BSSScores(
        sdr=sdr,
        isr=isr,
        sir=sir,
        sar=sar,
        frame_times=np.array(starts) / sample_rate,
        singular=any(singular for _, singular in frames),
    )


def _frame_starts(samples: int, *, window: int, hop: int) -> NDArray[np.int64]:
    """Return the first sample of each frame; an incomplete last frame is left out."""
    return np.arange(0, max(samples - window, 0) + 1, hop)


def _score(
    arrays: Arrays,
    *,
    estimates: Waveforms,
    references: Waveforms,
    starts: range,
    window: int,
    taps: int,
) -> tuple[NDArray[np.float64], bool]:
    """Return SDR, ISR, SIR, SAR ``(4, stems, frames)`` with one set of filters, and `singular`."""
    stems, _, samples = references.shape
    filters = fit_filters(arrays, estimates=estimates, references=references, taps=taps)
    if filters is None:
        return np.full((4, stems, len(starts)), np.nan), False
    responses = _responses(arrays, filters, fast_length(window + taps - 1))

    def energies(some: range) -> NDArray[np.float64]:
        low, high = some[0], some[-1] + window
        truth, guess = (
            arrays.put(excerpt(w, low, high, end=samples)) for w in (references, estimates)
        )
        return arrays.get(_energies(arrays, truth, guess, window, some.step, responses))

    batch = max(1, BATCH_SAMPLES // window)
    batches = [starts[i : i + batch] for i in range(0, len(starts), batch)]
    return _ratios(np.concatenate(list(arrays.over(energies, batches)), axis=-1)), filters.singular


@dataclass(frozen=True, kw_only=True)
class _Responses:
    axes: Any
    n_fft: int
    weight: Any
    """Of each frequency in an energy, ``(freq,)``, by Parseval's theorem."""
    filters: Any
    """``(freq, channels, 2 channels)``: projections on the own stem, then on all stems."""


def _responses(arrays: Arrays, filters: Filters, n_fft: int) -> _Responses:
    xp = arrays.xp
    weight = np.full(n_fft // 2 + 1, 2 / n_fft)
    weight[[0, -1]] /= 2  # n_fft is even
    both = xp.fft.rfft(xp.concatenate([filters.own, filters.joint], 1), n_fft)
    return _Responses(
        axes=filters.axes,
        n_fft=n_fft,
        weight=arrays.put(weight),
        filters=arrays.contiguous(xp.moveaxis(both, -1, 0)),
    )


def _energies(
    arrays: Arrays, truth: Any, guess: Any, window: int, hop: int, responses: _Responses
) -> Any:
    """Return the energies that the ratios are made of: ``(8, stems, frames)``.

    Those of `frame_energies`; of spatial distortion; of the truth filtered; of interference; of
    both together; of artefacts.
    Projections are longer than a frame by the filters' length, and are never needed as signals:
    the energies are those of their spectra.

    Args:
        arrays: the array library.
        truth: ``(stems, channels, samples)``.
        guess: the same shape.
        window: samples of a frame.
        hop: samples from frame to frame.
        responses: of the filters.
    """
    xp = arrays.xp
    stems, channels, _ = truth.shape

    def frames(waveforms: Any) -> Any:
        return arrays.frames(waveforms, window, hop)

    def spectra(waveforms: Any) -> Any:
        turned = frames(rotated(waveforms, responses.axes)).reshape(stems * channels, -1, window)
        return arrays.contiguous(xp.fft.rfft(turned, responses.n_fft).swapaxes(0, 2))

    def energy(spectrum: Any, weight: Any) -> Any:  # (freq, frames, channels)
        power = spectrum.real**2 + spectrum.imag**2
        return weight @ power.reshape(len(power), -1)

    true, found = spectra(truth), spectra(guess)
    count = stems * channels
    total: Any = 0
    for first in range(0, len(true), FREQUENCIES):  # so that each piece stays in the cache
        part = slice(first, first + FREQUENCIES)
        projected = true[part] @ responses.filters[part]
        own, joint = projected[..., :count], projected[..., count:]
        signals = (own - true[part], own, joint - own, joint, found[part] - joint)
        total = total + xp.stack([energy(s, responses.weight[part]) for s in signals])
    ratios = total.reshape(len(total), -1, stems, channels).sum(-1).swapaxes(1, 2)
    signal, error, counts = frame_energies(frames(guess), frames(truth))
    return xp.concatenate([xp.stack([signal, error, counts]), ratios])


def _ratios(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return SDR, ISR, SIR, SAR ``(4, stems, frames)`` of the energies that `_energies` gives."""
    true, error, counts, spatial, own, interference, joint, artefacts = energies
    above = np.stack([true, true, own, joint])
    below = np.stack([error, spatial, interference, artefacts])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(above / below) * counts)
