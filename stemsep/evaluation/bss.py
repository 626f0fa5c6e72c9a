"""BSSEval: SDR, ISR, SIR and SAR of estimated stems, window by window, as museval defines them.

Takes: true and estimated waveforms. Gives: scores in dB. On the processor with NumPy and SciPy
(torch is not imported), on a GPU with torch, by the same formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError
from stemsep.evaluation.arrays import Arrays, arrays_on, fast_length
from stemsep.evaluation.projection import Filters, Sums, fit_filters, is_each
from stemsep.evaluation.sdr import frame_energies
from stemsep.evaluation.waveforms import Waveforms, check_pair, excerpt

__all__ = ["BSSScores", "Sums", "bss_eval", "bss_eval_of_sums"]

FREQUENCIES = 512
"""At which projections are formed at a time."""

BATCH_SAMPLES = 10 * 44_100
"""Samples of each channel that are transformed at a time, at most."""

BATCHES = 8
"""Of a short track there are so many, so that all processors have work."""


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
    each = np.eye(references.shape[0])
    return bss_eval_of_sums(
        estimates=estimates,
        references=references,
        groups=[Sums(estimates=each, references=each)],
        sample_rate=sample_rate,
        window_seconds=window_seconds,
        hop_seconds=hop_seconds,
        filter_length=filter_length,
        version=version,
        framewise_filters=framewise_filters,
        device=device,
    )[0]


def bss_eval_of_sums(
    *,
    estimates: Waveforms,
    references: Waveforms,
    groups: Sequence[Sums],
    sample_rate: int,
    window_seconds: float = 1.0,
    hop_seconds: float = 1.0,
    filter_length: int = 512,
    version: Literal["v4", "v3"] = "v4",
    framewise_filters: bool = False,
    device: str = "cpu",
) -> list[BSSScores]:
    """Return `bss_eval` of several groups of targets that are sums of the same stems.

    Correlations and spectra of a sum follow from those of the stems, so that a further group
    (vocals and accompaniment beside four stems) takes little time.

    Args:
        estimates: ``(stems, channels, samples)``.
        references: the same, of any number of stems.
        groups: each is scored by itself.
        sample_rate: this, and what follows, as for `bss_eval`.
        window_seconds: length of a frame.
        hop_seconds: from frame to frame.
        filter_length: taps.
        version: v4 or v3.
        framewise_filters: those of v3.
        device: ``"cpu"``, or a name of torch's.

    Returns:
        The scores of each group.

    Raises:
        ParameterError: a window, hop, filter, version or device that does not exist.
    """
    window, hop = int(window_seconds * sample_rate), int(hop_seconds * sample_rate)
    if min(window, hop, filter_length) < 1:
        raise ParameterError("window, hop and filter must be at least one sample long")
    if version not in ("v4", "v3"):
        raise ParameterError(f"version = {version!r}: choose from v4, v3")
    samples = references.shape[-1]
    starts, window = range(0, max(samples - window, 0) + 1, hop), min(window, samples)
    score = partial(_score, arrays_on(device), groups=groups, window=window, taps=filter_length)
    if version == "v3" or framewise_filters:
        scored = [
            score(estimates=estimates[..., part], references=references[..., part], starts=range(1))
            for part in (slice(start, start + window) for start in starts)
        ]
    else:
        scored = [score(estimates=estimates, references=references, starts=starts)]
    results = []
    for of_group in zip(*scored, strict=True):
        sdr, isr, sir, sar = np.concatenate([ratios for ratios, _ in of_group], axis=-1)
        results.append(
            BSSScores(
                sdr=sdr,
                isr=isr,
                sir=sir,
                sar=sar,
                frame_times=np.array(starts) / sample_rate,
                singular=any(singular for _, singular in of_group),
            )
        )
    return results


def _score(
    arrays: Arrays,
    *,
    estimates: Waveforms,
    references: Waveforms,
    groups: Sequence[Sums],
    starts: range,
    window: int,
    taps: int,
) -> list[tuple[NDArray[np.float64], bool]]:
    """Return of each group its ratios ``(4, targets, frames)`` with one set of filters, `singular`.

    The ratios are SDR, ISR, SIR, SAR.
    """
    samples = references.shape[-1]
    fitted = fit_filters(
        arrays, estimates=estimates, references=references, groups=groups, taps=taps
    )
    n_fft = fast_length(window + taps - 1)
    responses = {i: _responses(arrays, f, n_fft) for i, f in enumerate(fitted) if f is not None}

    def energies(some: range) -> list[Any]:
        low, high = some[0], some[-1] + window
        truth, guess = (
            arrays.put(excerpt(w, low, high, end=samples)) for w in (references, estimates)
        )
        frames = arrays.frames(truth, window, some.step), arrays.frames(guess, window, some.step)
        spectral = _spectral_energies(arrays, *frames, n_fft, list(responses.values()))
        return [
            arrays.get(arrays.xp.concatenate([_time_energies(arrays, *frames, r.sums), of_group]))
            for r, of_group in zip(responses.values(), spectral, strict=True)
        ]

    batch = max(1, min(BATCH_SAMPLES // window, len(starts) // BATCHES))
    batches = [starts[i : i + batch] for i in range(0, len(starts), batch)]
    pieces = zip(*arrays.over(energies, batches), strict=True) if responses else ()
    found = dict(zip(responses, pieces, strict=True))
    return [
        (_ratios(np.concatenate(found[i], axis=-1)), f.singular)
        if f is not None
        else (np.full((4, len(group.references), len(starts)), np.nan), False)
        for i, (f, group) in enumerate(zip(fitted, groups, strict=True))
    ]


@dataclass(frozen=True, kw_only=True)
class _Responses:
    sums: Sums
    weight: Any
    """Of each frequency in an energy, ``(freq,)``, by Parseval's theorem."""
    filters: Any
    """``(freq, channels, 2 target channels)``: projections on the own target, then on all."""


def _responses(arrays: Arrays, filters: Filters, n_fft: int) -> _Responses:
    xp = arrays.xp
    weight = np.full(n_fft // 2 + 1, 2 / n_fft)
    weight[[0, -1]] /= 2  # n_fft is even
    both = xp.fft.rfft(xp.concatenate([filters.own, filters.joint], 1), n_fft)
    return _Responses(
        sums=filters.sums,
        weight=arrays.put(weight),
        filters=arrays.contiguous(xp.moveaxis(both, -1, 0)),
    )


def _time_energies(arrays: Arrays, truth: Any, guess: Any, sums: Sums) -> Any:
    """Return the energies of `frame_energies` of a group's targets: ``(3, targets, frames)``.

    Args:
        arrays: the array library.
        truth: ``(stems, channels, frames, window)``.
        guess: the same, of the estimates.
        sums: the group.
    """

    def targets(frame: Any, mix: NDArray[np.float64]) -> Any:
        if is_each(mix):
            return frame
        mixed = arrays.put(mix) @ frame.reshape(len(frame), -1)
        return mixed.reshape(len(mix), *frame.shape[1:])

    energies = []
    for i in range(truth.shape[2]):  # one by one, as a frame fits in the cache
        frame = slice(i, i + 1)
        pair = (
            targets(guess[:, :, frame], sums.estimates),
            targets(truth[:, :, frame], sums.references),
        )
        energies.append(arrays.xp.stack(frame_energies(*pair)))
    return arrays.xp.concatenate(energies, -1)


def _spectral_energies(
    arrays: Arrays, truth: Any, guess: Any, n_fft: int, groups: Sequence[_Responses]
) -> list[Any]:
    """Return the energies of the parts of the error, of each group ``(5, targets, frames)``.

    Those of the truth filtered; of both together; of spatial distortion; of interference; of
    artefacts.
    Projections are longer than a frame by the filters' length, and are never needed as signals:
    the energies are those of their spectra.

    Args:
        arrays: the array library.
        truth: ``(stems, channels, frames, window)``.
        guess: the same, of the estimates.
        n_fft: of the spectra.
        groups: their filters.
    """
    xp = arrays.xp
    _, channels, frames, window = truth.shape
    true, found = (xp.fft.rfft(w.reshape(-1, frames, window), n_fft) for w in (truth, guess))

    def targets(spectrum: Any, mix: NDArray[np.float64]) -> Any:  # (freq, frames, channels)
        if is_each(mix):
            return spectrum
        return spectrum @ (arrays.put(np.kron(mix, np.eye(channels)).T) + 0j)

    def energy(spectrum: Any, weight: Any) -> Any:
        power = spectrum.view(xp.float64) ** 2  # of real and imaginary parts, side by side
        sums = weight @ power.reshape(len(power), -1)
        return sums.reshape(frames, -1, 2 * channels).sum(-1).T  # (targets, frames)

    totals: list[Any] = [0] * len(groups)
    for first in range(0, n_fft // 2 + 1, FREQUENCIES):  # so that each piece stays in the cache
        part = slice(first, first + FREQUENCIES)
        heard, guessed = (arrays.contiguous(s[..., part].swapaxes(0, 2)) for s in (true, found))
        for i, group in enumerate(groups):
            projected = heard @ group.filters[part]
            count = projected.shape[-1] // 2
            own, joint = projected[..., :count], projected[..., count:]
            spatial = own - targets(heard, group.sums.references)
            artefacts = targets(guessed, group.sums.estimates) - joint
            signals = (projected, spatial, joint - own, artefacts)
            totals[i] = totals[i] + xp.concatenate([energy(s, group.weight[part]) for s in signals])
    return [total.reshape(5, -1, frames) for total in totals]


def _ratios(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return SDR, ISR, SIR, SAR ``(4, stems, frames)`` of the energies that `_energies` gives."""
    true, error, counts, own, joint, spatial, interference, artefacts = energies
    above = np.stack([true, true, own, joint])
    below = np.stack([error, spatial, interference, artefacts])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 * np.log10(above / below) * counts)
