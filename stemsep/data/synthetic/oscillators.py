"""Patches -> tones: wavetable oscillators whose spectrum moves in time.

A tone is a row of single-cycle waves, computed from the amplitudes of its partials at a few moments
after its start and read with a phase that runs at its pitch. Plucked and struck strings, filters
that open and close, organs and pads differ only in those amplitudes; none lies above Nyquist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

__all__ = ["Floats", "Patch", "patch_tone", "read_waves", "shaped_noise", "wave_rows"]

Floats: TypeAlias = NDArray[np.float32]

CYCLE = 2048
"""Samples of a wave; up to half as many partials."""

MOMENTS = np.array([0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24])
"""Seconds after the start for which spectra are computed; between them they cross-fade."""

MAX_PARTIALS = 400


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A synthetic instrument.

    Args:
        shape: law of the partials' amplitudes.
        tilt_db: added to each octave above the fundamental.
        width: pulse width, or where the string is plucked, 0 to 0.5.
        drawbars: amplitudes of the first partials, for the shape "drawbars".
        cutoff_hz: low-pass filter, 12 dB an octave.
        tracking: share of an octave that the cutoff rises with an octave of pitch.
        sweep_octaves: the cutoff starts so much higher, more with a high velocity.
        sweep_seconds: time constant of its fall.
        resonance_db: of the filter at its cutoff.
        decay: rate at which the fundamental fades, 1/s, at middle c; 0 for a held tone.
        damping: how much faster each higher partial fades, as a share of that rate.
        attack_seconds: from silence to full.
        fade_seconds: time constant of the fall from full to ``sustain``.
        sustain: level of a held tone, 0 to 1.
        release_seconds: after the note's end.
        body: resonances ``(hz, db, octaves wide)``.
        unison: oscillators at once.
        detune_cents: of the outermost of these.
        vibrato_cents: how deep.
        vibrato_hz: how fast.
        breath: level of noise beside the tone.
        bells: inharmonic partials ``(ratio to the pitch, level, decay in 1/s)``.
    """

    shape: Literal["saw", "square", "triangle", "pulse", "pluck", "drawbars"] = "saw"
    tilt_db: float = 0.0
    width: float = 0.3
    drawbars: tuple[float, ...] = (1.0,)
    cutoff_hz: float = 20_000.0
    tracking: float = 0.5
    sweep_octaves: float = 0.0
    sweep_seconds: float = 0.3
    resonance_db: float = 0.0
    decay: float = 0.0
    damping: float = 0.05
    attack_seconds: float = 0.004
    fade_seconds: float = 0.5
    sustain: float = 1.0
    release_seconds: float = 0.08
    body: tuple[tuple[float, float, float], ...] = ()
    unison: int = 1
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.5
    breath: float = 0.0
    bells: tuple[tuple[float, float, float], ...] = ()


def patch_tone(
    patch: Patch,
    *,
    pitch: float,
    seconds: float,
    velocity: float,
    sample_rate: int,
    rng: np.random.Generator,
) -> Floats:
    """Return one note, without its release.

    Args:
        patch: the instrument.
        pitch: MIDI number.
        seconds: length.
        velocity: 0 to 1; a soft note is duller. The level hardly depends on it.
        sample_rate: Hz.
        rng: of phases and noise.

    Returns:
        ``(channels, samples)`` float32, two channels where several oscillators are spread.
    """
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    samples = max(1, round(seconds * sample_rate))
    times = np.arange(samples) / sample_rate
    spectra = _spectra(patch, frequency, velocity, sample_rate, rng)
    if not (patch.decay or patch.sweep_octaves):
        spectra = spectra[:1]
    rows = wave_rows(spectra, rng)
    position = np.interp(times, MOMENTS, np.arange(len(MOMENTS))).astype(np.float32)
    channels = 2 if patch.unison > 1 else 1
    tone = np.zeros((channels, samples), np.float32)
    bent = times  # the time that has gone by for the oscillators, which vibrato bends
    if patch.vibrato_cents:
        depth = patch.vibrato_cents * np.log(2) / 1200 * np.minimum(1, times / 0.4)
        sway = np.sin(2 * np.pi * (patch.vibrato_hz * times + rng.random()))
        bent = np.cumsum(1 + depth * sway) / sample_rate
    for i in range(patch.unison):
        place = 2 * i / (patch.unison - 1) - 1 if patch.unison > 1 else 0.0
        detuned = frequency * 2 ** (patch.detune_cents * place / 1200)
        cycles = detuned * bent
        wave = read_waves(rows, cycles + rng.random(), position)
        if channels == 1:
            tone[0] += wave
        else:
            tone += np.array([[1 - 0.7 * place], [1 + 0.7 * place]], np.float32) * wave
    tone /= np.float32(np.sqrt(patch.unison))
    for ratio, level, decay in patch.bells:
        if frequency * ratio < 0.45 * sample_rate:
            fading = np.exp(-decay * times) * np.sin(2 * np.pi * frequency * ratio * times)
            tone += (level * (0.4 + 0.6 * velocity) * fading).astype(np.float32)
    if patch.breath:
        noise = shaped_noise(samples, sample_rate, rng, low_hz=frequency, high_hz=9_000)
        tone += np.float32(patch.breath) * noise
    return tone * _envelope(patch, times)


def wave_rows(spectra: NDArray[np.float64], rng: np.random.Generator) -> Floats:
    """Return one cycle of a wave for each spectrum, all with the same phases.

    Args:
        spectra: ``(rows, partials)``, amplitudes, the fundamental first.
        rng: of the phases.

    Returns:
        ``(rows, CYCLE + 1)``, the last sample being the first again, for interpolation.
    """
    partials = spectra.shape[1]
    # Phases near each other keep the edge of a saw and the pulse of a voice.
    phases = np.exp(1j * (rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, partials)))
    bins = np.zeros((len(spectra), CYCLE // 2 + 1), np.complex128)
    bins[:, 1 : partials + 1] = spectra * phases * (CYCLE / 2)
    cycles = np.fft.irfft(bins, CYCLE)
    return np.concatenate([cycles, cycles[:, :1]], axis=1).astype(np.float32)


def read_waves(rows: Floats, cycles: NDArray[np.float64], position: Floats) -> Floats:
    """Return the wave at a phase, between two rows at each moment.

    Args:
        rows: from `wave_rows`.
        cycles: ``(samples,)`` phase in cycles.
        position: ``(samples,)`` row, between 0 and the last.
    """
    place = ((cycles - np.floor(cycles)) * CYCLE).astype(np.float32)
    step = np.minimum(place.astype(np.int32), CYCLE - 1)
    between = place - step
    if len(rows) == 1:
        here = rows[0].take(step)
        single: Floats = here + between * (rows[0].take(step + 1) - here)
        return single
    row = np.minimum(position.astype(np.int32), len(rows) - 2)
    # Two rows as one complex one: half as many reads.
    pairs = (rows[:-1] + 1j * rows[1:]).astype(np.complex64).reshape(-1)
    at = row * (CYCLE + 1) + step
    both = pairs.take(at)
    both += between * (pairs.take(at + 1) - both)
    result: Floats = both.real + (position - row) * (both.imag - both.real)
    return result


def shaped_noise(
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    low_hz: float,
    high_hz: float,
    slope: float = 2.0,
) -> Floats:
    """Return noise of RMS 1 between two frequencies, falling by ``slope`` powers outside."""
    size = 1 << max(6, (samples - 1).bit_length())
    noise = rng.standard_normal(size, np.float32)
    frequencies = np.maximum(1.0, np.arange(size // 2 + 1) * (sample_rate / size))
    gain = 1 / np.sqrt(
        (1 + (low_hz / frequencies) ** (2 * slope)) * (1 + (frequencies / high_hz) ** (2 * slope))
    )
    shaped = irfft(rfft(noise) * gain.astype(np.float32), size)[:samples]
    result: Floats = (shaped / max(1e-9, float(np.sqrt(np.mean(shaped**2))))).astype(np.float32)
    return result


def _spectra(
    patch: Patch, frequency: float, velocity: float, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the amplitudes of the partials at `MOMENTS`: ``(moments, partials)``."""
    count = max(1, min(MAX_PARTIALS, int(0.45 * sample_rate / frequency)))
    number = np.arange(1, count + 1)
    hz = number * frequency
    amplitude = _shape(patch, number) * 10 ** (patch.tilt_db / 20 * np.log2(number))
    for centre, gain_db, octaves in patch.body:
        amplitude *= 10 ** (gain_db / 20 * np.exp(-((np.log2(hz / centre) / octaves) ** 2)))
    amplitude = amplitude * rng.uniform(0.8, 1.2, count)  # no two notes are alike
    moments = MOMENTS[:, None]
    open_octaves = patch.sweep_octaves * (0.3 + 0.7 * velocity) * np.exp(
        -moments / patch.sweep_seconds
    ) + 1.5 * (velocity - 0.8)
    cutoff = patch.cutoff_hz * (frequency / 261.6) ** patch.tracking * 2**open_octaves
    ratio = hz / cutoff
    gain = 1 / np.sqrt(1 + ratio**4)
    if patch.resonance_db:
        gain *= 10 ** (patch.resonance_db / 20 * np.exp(-((np.log2(ratio) / 0.35) ** 2)))
    rate = patch.decay * (frequency / 261.6) ** 0.5 * (1 + patch.damping * (number - 1))
    spectra = amplitude * gain * np.exp(-np.minimum(60, rate * moments))
    # Levels are alike at the start, whatever the filter lets through.
    power = float(0.5 * np.sum(np.max(spectra, axis=0) ** 2))
    result: NDArray[np.float64] = spectra / max(1e-9, power**0.5)
    return result


def _shape(patch: Patch, number: NDArray[np.int64]) -> NDArray[np.float64]:
    odd = number % 2 == 1
    if patch.shape == "square":
        return np.asarray(np.where(odd, 1 / number, 0.003 / number))
    if patch.shape == "triangle":
        return np.asarray(np.where(odd, 1 / number**2.0, 0.003 / number))
    if patch.shape == "pulse":
        return np.asarray(np.abs(np.sin(np.pi * patch.width * number)) / number)
    if patch.shape == "pluck":
        return np.asarray((0.05 + np.abs(np.sin(np.pi * patch.width * number))) / number)
    if patch.shape == "drawbars":
        amplitude = np.zeros(len(number))
        bars = np.asarray(patch.drawbars[: len(number)])
        amplitude[: len(bars)] = bars
        return amplitude
    return np.asarray(1 / number)


def _envelope(patch: Patch, times: NDArray[np.float64]) -> Floats:
    since = times.astype(np.float32)
    rise: Floats = np.minimum(1, since / max(1e-4, patch.attack_seconds))
    if patch.sustain == 1:
        return rise
    held = np.maximum(0, since - patch.attack_seconds)
    rise *= patch.sustain + (1 - patch.sustain) * np.exp(-held / patch.fade_seconds)
    return rise
