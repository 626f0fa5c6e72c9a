"""Notes -> a sung line: vocal folds and breath through the moving resonances of a mouth.

Source and filter (G. Fant, "Acoustic Theory of Speech Production", 1960): a pulse train with
glides, vibrato and drift, and noise, are cut into short spectra, each of which is multiplied by
the resonances of the syllable at that moment. Words are random syllables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d

from stemsep.data.synthetic.oscillators import Floats, read_waves, wave_rows
from stemsep.data.synthetic.phonemes import CONSONANTS, VOWELS
from stemsep.data.synthetic.score import Note

__all__ = ["Singer", "draw_singer", "sing"]

N_FFT = 1024
HOP = 512
CONTROL_HZ = 200
"""Rate at which pitch, level and resonances are drawn."""

LOWEST_HZ = 55.0
OCTAVES = 6


@dataclass(frozen=True, kw_only=True)
class Singer:
    """The character of a voice.

    Args:
        size: factor of the formants; 1 is a man's.
        tilt_db: of the vocal folds, an octave.
        breath: noise in the voice.
        vibrato_cents: how deep.
        vibrato_hz: how fast.
        glide_seconds: from pitch to pitch.
        ringing_db: strength of the upper formants.
        rough: irregularity of the pulses.
        hiss: strength of the consonants.
        vowels: of its language.
        consonants: of its language.
    """

    size: float
    tilt_db: float
    breath: float
    vibrato_cents: float
    vibrato_hz: float
    glide_seconds: float
    ringing_db: float
    rough: float
    hiss: float
    vowels: tuple[str, ...]
    consonants: tuple[str, ...]


def draw_singer(rng: np.random.Generator, pitch: float) -> Singer:
    """Return a random singer of a range around a MIDI number."""
    some = rng.permutation(list(VOWELS))[: rng.integers(3, len(VOWELS) + 1)]
    few = rng.permutation(list(CONSONANTS))[: rng.integers(5, len(CONSONANTS) + 1)]
    return Singer(
        size=float(np.clip(1.0 + (pitch - 52) * 0.012 + rng.normal(0, 0.05), 0.88, 1.35)),
        tilt_db=float(rng.uniform(-9, -4)),
        breath=float(np.exp(rng.uniform(np.log(0.01), np.log(0.15)))),
        vibrato_cents=float(rng.choice([0, rng.uniform(10, 30), rng.uniform(30, 80)])),
        vibrato_hz=float(rng.uniform(4.6, 6.4)),
        glide_seconds=float(rng.uniform(0.02, 0.09)),
        ringing_db=float(rng.uniform(-4, 10)),
        rough=float(rng.choice([0.0, 0.004, 0.015])),
        hiss=float(rng.uniform(0.3, 1.2)),
        vowels=tuple(str(v) for v in some),
        consonants=tuple(str(c) for c in few),
    )


def sing(
    singer: Singer,
    notes: Sequence[Note],
    *,
    samples: int,
    sample_rate: int,
    words: np.random.Generator,
    rng: np.random.Generator,
) -> Floats:
    """Return a sung line ``(samples,)``.

    Args:
        singer: who.
        notes: times in seconds, one after the other.
        samples: length of the result.
        sample_rate: Hz.
        words: of the syllables: an equal one sings the same words, as a double does.
        rng: of everything that differs when the same line is sung again.
    """
    count = int(samples / sample_rate * CONTROL_HZ) + 2
    line = _Line(count)
    for note in notes:
        _write_note(line, singer, note, words, rng)
    cents = _inflections(line, singer, rng)
    hz = LOWEST_HZ * 2 ** np.clip((line.pitch - 33) / 12 + cents / 1200, 0, OCTAVES - 0.1)
    folds, noise = _sources(singer, hz, line.level, samples, sample_rate, rng)
    return _filtered(line, singer, hz, folds, noise, sample_rate)


class _Line:
    """What is drawn at `CONTROL_HZ`: pitch, level, formants, hiss."""

    def __init__(self, count: int) -> None:
        self.pitch = np.full(count, 60.0)
        self.level = np.zeros(count)
        self.hiss = np.zeros(count)
        self.hiss_low = np.full(count, 2000.0)
        self.hiss_high = np.full(count, 8000.0)
        self.formants = np.tile(np.array(VOWELS["a"]), (count, 1))
        self.held = np.zeros(count)  # seconds since the note began


def _write_note(
    line: _Line,
    singer: Singer,
    note: Note,
    words: np.random.Generator,
    rng: np.random.Generator,
) -> None:
    vowel = VOWELS[singer.vowels[words.integers(len(singer.vowels))]]
    second = VOWELS[singer.vowels[words.integers(len(singer.vowels))]]
    consonant = CONSONANTS[singer.consonants[words.integers(len(singer.consonants))]]
    bare, diphthong = words.random() < 0.2, words.random() < 0.25
    last = len(line.pitch)
    start = round(note.start * CONTROL_HZ)
    end = min(last, max(start + 8, round((note.start + note.length) * CONTROL_HZ)))
    if start >= last:
        return
    before = 0 if bare else max(1, round(consonant.seconds * rng.uniform(0.7, 1.3) * CONTROL_HZ))
    begin = max(0, start - before)
    line.pitch[begin:] = note.pitch
    line.formants[begin:] = vowel
    if diphthong:
        line.formants[start + 2 * (end - start) // 3 :] = second
    line.held[start:end] = np.arange(end - start) / CONTROL_HZ
    line.level[begin:end] = 0.35 + 0.65 * note.velocity
    if bare or begin == start:
        return
    line.level[begin:start] *= consonant.voiced
    if consonant.formants is not None:
        line.formants[begin:start] = consonant.formants
    hissing = slice(max(begin, start - 3) if consonant.burst else begin, start + 1)
    line.hiss[hissing] = consonant.noise * (0.5 + 0.5 * note.velocity)
    line.hiss_low[hissing] = consonant.low_hz
    line.hiss_high[hissing] = consonant.high_hz


def _inflections(line: _Line, singer: Singer, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth the line as a mouth moves, and return vibrato, drift and scoops in cents."""
    glide = max(0.5, singer.glide_seconds * CONTROL_HZ)
    line.pitch = gaussian_filter1d(line.pitch, glide)
    line.level = gaussian_filter1d(line.level, 0.012 * CONTROL_HZ)
    line.hiss = gaussian_filter1d(line.hiss, 0.7)
    line.formants = gaussian_filter1d(line.formants, 0.018 * CONTROL_HZ, axis=0)
    times = np.arange(len(line.pitch)) / CONTROL_HZ
    rate = singer.vibrato_hz * (1 + 0.03 * np.sin(2 * np.pi * 0.3 * times + rng.random()))
    swell = np.clip((line.held - 0.15) / 0.3, 0, 1)
    phase = 2 * np.pi * (np.cumsum(rate) / CONTROL_HZ + rng.random())
    vibrato = singer.vibrato_cents * swell * np.sin(phase)
    drift = gaussian_filter1d(rng.standard_normal(len(times)), 0.15 * CONTROL_HZ)
    drift *= 12 / max(1e-9, float(drift.std()))
    scoop = -rng.uniform(0, 120) * np.exp(-line.held / 0.05) * (line.held > 0)
    result: NDArray[np.float64] = vibrato + drift + scoop
    return result


def _sources(
    singer: Singer,
    hz: NDArray[np.float64],
    level: NDArray[np.float64],
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the pulses of the vocal folds and white noise, ``(samples,)`` each."""
    times = np.arange(samples, dtype=np.float64) * (CONTROL_HZ / sample_rate)
    ticks = np.arange(len(hz))
    # A row of waves an octave, each with the partials that stay below Nyquist.
    counts = [
        int(min(500, 0.45 * sample_rate / (LOWEST_HZ * 2 ** (octave + 1))))
        for octave in range(OCTAVES)
    ]
    number = np.arange(1, counts[0] + 1)
    amplitude = 10 ** (singer.tilt_db / 20 * np.log2(number))
    rows = wave_rows(np.stack([np.where(number <= n, amplitude, 0) for n in counts]), rng)
    position = np.interp(times, ticks, np.log2(hz / LOWEST_HZ)).astype(np.float32)
    rough = 1 + singer.rough * rng.standard_normal(len(hz))
    cycles = np.cumsum(np.interp(times, ticks, hz * rough)) / sample_rate
    folds = read_waves(rows, cycles, position)
    folds *= np.interp(times, ticks, level).astype(np.float32)
    return folds, rng.standard_normal(samples, np.float32)


def _filtered(
    line: _Line,
    singer: Singer,
    hz: NDArray[np.float64],
    folds: Floats,
    noise: Floats,
    sample_rate: int,
) -> Floats:
    samples = len(folds)
    frames = -(-samples // HOP) + N_FFT // HOP
    ticks = np.arange(len(hz))
    # Frame k is centred on the start of block k: N_FFT is two blocks.
    at = np.arange(frames) * (HOP * CONTROL_HZ / sample_rate)  # centres of the frames

    def sampled(curve: NDArray[np.float64]) -> Floats:
        values: Floats = np.interp(at, ticks, curve).astype(np.float32)[:, None]
        return values

    frequencies = np.fft.rfftfreq(N_FFT, 1 / sample_rate).astype(np.float32)
    formants = [sampled(line.formants[:, i]) * np.float32(singer.size) for i in range(3)]
    # High notes take the first formant along: a mouth opens to stay loud.
    formants[0] = np.maximum(formants[0], sampled(hz))
    mouth = _resonances(formants, singer, frequencies)
    breath = sampled(line.level) * np.float32(singer.breath * 8)
    low, high = sampled(line.hiss_low), sampled(line.hiss_high)
    below, above = low / np.maximum(frequencies, 1), frequencies / high
    hiss = sampled(line.hiss) / ((1 + below**4) * (1 + above**4))
    airy = mouth * (frequencies / (frequencies + 1500)) * breath
    spectrum = _frames(folds, frames) * mouth
    spectrum += _frames(noise, frames) * (airy + np.float32(0.12 * singer.hiss) * hiss)
    return _joined(spectrum, samples)


def _resonances(formants: Sequence[Floats], singer: Singer, frequencies: Floats) -> Floats:
    """Return the gain of the mouth ``(frames, bins)``: resonances in parallel."""
    upper = [np.full((1, 1), hz * singer.size, np.float32) for hz in (3400.0, 4300.0)]
    ringing = 10 ** (singer.ringing_db / 20)
    levels = [1.0, 0.8, 0.4 * ringing, 0.22 * ringing, 0.12]
    widths = [80.0, 110.0, 170.0, 230.0, 350.0]
    gain = np.full((len(formants[0]), len(frequencies)), 0.02, np.float32)
    for centre, level, width in zip([*formants, *upper], levels, widths, strict=True):
        away = (frequencies - centre) / np.float32(width)
        gain += np.float32(level) / np.sqrt(1 + away * away)
    return gain


def _frames(wave: Floats, frames: int) -> NDArray[np.complex64]:
    padded = np.zeros((frames - 1) * HOP + N_FFT, np.float32)
    start = N_FFT - HOP
    padded[start : start + len(wave)] = wave
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    result: NDArray[np.complex64] = rfft(windows * _window(), axis=1)
    return result


def _joined(spectrum: NDArray[np.complex64], samples: int) -> Floats:
    blocks = (irfft(spectrum, N_FFT, axis=1) * _window()).reshape(len(spectrum), -1, HOP)
    joined = np.zeros((len(spectrum) + N_FFT // HOP - 1, HOP), np.float32)
    for i in range(N_FFT // HOP):
        joined[i : i + len(spectrum)] += blocks[:, i]
    start = N_FFT - HOP
    return joined.reshape(-1)[start : start + samples]


def _window() -> Floats:
    # The square root of Hann, twice: the two frames over each sample sum to 1.
    return np.sin(np.pi * np.arange(N_FFT) / N_FFT).astype(np.float32)
