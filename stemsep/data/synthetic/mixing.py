"""Played parts -> stems: places, filters, compression, room, levels, and the master's gain.

Levels follow what 80 clips of MUSDB18 show: see ``docs/synth.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stemsep.data.effects import (
    compress,
    filtered,
    high_pass,
    limiter_gain,
    low_pass,
    peak,
    reverberate,
)
from stemsep.data.synthetic.effects import echo
from stemsep.data.synthetic.oscillators import Floats

__all__ = ["master", "mix_stem", "placed", "set_levels"]

LEVELS_DB = {
    "vocals": (-5.3, 1.6),
    "drums": (-7.3, 2.8),
    "bass": (-7.0, 2.8),
    "other": (-6.4, 2.2),
}
"""Mean and standard deviation of a stem's RMS relative to the mixture's, where it plays."""

CEILING = 0.98

DRYNESS = {"vocals": (-20.0, -6.0), "drums": (-16.0, -2.0), "bass": (-60.0, -26.0)}
"""Range of the reverberation's level in dB, relative to the stem."""


def placed(played: Floats, role: str, rng: np.random.Generator, sample_rate: int) -> Floats:
    """Return a played part, equalised, at RMS 1 where it plays, between left and right.

    Args:
        played: ``(1 or 2, samples)``; the result has two channels.
        role: of the part.
        rng: of the choice.
        sample_rate: Hz.
    """
    equalised = filtered(played, _draw_equaliser(role, sample_rate, rng))
    level = active_rms(equalised, sample_rate)
    if level == 0:
        return np.zeros((2, played.shape[1]), np.float32)
    width = {"bass": 0.05, "vocals": 0.05, "drums": 0.0, "harmony": 0.7, "double": 0.6}
    most = width.get(role, 0.65)
    pan = float(rng.uniform(-most, most))
    gains = np.sqrt(np.array([[1 - pan], [1 + pan]], np.float32)) / np.float32(level)
    result: Floats = (equalised * gains).astype(np.float32)
    if role in ("pad", "chords", "arpeggio", "riff", "double") and rng.random() < 0.45:
        result = _widened(result, rng, sample_rate)
    return result


def _widened(waveform: Floats, rng: np.random.Generator, sample_rate: int) -> Floats:
    """Return the sound with a copy of its middle, late by some milliseconds, on the sides."""
    late = round(rng.uniform(0.006, 0.025) * sample_rate)
    middle = waveform.mean(0)
    copy = np.zeros_like(middle)
    copy[late:] = middle[: len(middle) - late]
    side = np.float32(rng.uniform(0.2, 0.6))
    result: Floats = waveform + np.stack([side * copy, -side * copy])
    return result


def active_rms(waveform: Floats, sample_rate: int) -> float:
    """Return the RMS ``(channels, samples)`` over the tenths of a second that are not silent."""
    hop = max(1, sample_rate // 10)
    blocks = waveform.shape[-1] // hop
    if not blocks:
        return float(np.sqrt(np.mean(waveform**2)))
    power = (waveform[:, : blocks * hop] ** 2).reshape(len(waveform), blocks, hop).mean((0, 2))
    loud = power[power > 1e-3 * power.max(initial=0.0)]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


def mix_stem(
    stem: str,
    parts: Sequence[tuple[str, Floats]],
    *,
    tempo: float,
    sample_rate: int,
    rng: np.random.Generator,
) -> Floats:
    """Return a stem ``(2, samples)`` from its parts, with effects, at RMS 1 where it plays.

    Args:
        stem: its name.
        parts: ``(role, played)``, each from `placed`.
        tempo: beats a minute, for echoes in time.
        sample_rate: Hz.
        rng: of all settings.
    """
    bus = np.zeros_like(parts[0][1])
    for role, played in parts:
        gain_db = {"harmony": -7.0, "double": -6.0}.get(role, 0.0) + rng.normal(0, 2.5)
        bus += np.float32(10 ** (gain_db / 20)) * played
    if not bus.any():
        return bus
    squeeze = {"vocals": 0.9, "drums": 0.25, "bass": 0.9}.get(stem, 0.4)
    if rng.random() < squeeze:
        bus = compress(bus, ratio=float(rng.uniform(1.5, 6)), sample_rate=sample_rate)
    if stem == "drums" and rng.random() < 0.25:  # a hot tape
        level = np.float32(np.abs(bus).max() / rng.uniform(1.2, 4))
        bus = np.tanh(bus / level) * level
    bus += _ambience(bus, stem, tempo, sample_rate, rng)
    return bus / np.float32(max(1e-9, active_rms(bus, sample_rate)))


def _ambience(
    bus: Floats, stem: str, tempo: float, sample_rate: int, rng: np.random.Generator
) -> Floats:
    seconds = float(np.exp(rng.uniform(np.log(0.25), np.log(2.5))))
    if stem == "drums":
        seconds *= 0.6
    level_db = float(rng.uniform(*DRYNESS.get(stem, (-22.0, -5.0))))
    wet = reverberate(bus, seconds=seconds, level_db=level_db, sample_rate=sample_rate, rng=rng)
    # Rooms and their imitations are duller than what sounds in them.
    wet = filtered(wet - bus, low_pass(hz=rng.uniform(2500, 8000), sample_rate=sample_rate))
    if stem in ("vocals", "other") and rng.random() < 0.3:
        beats = float(rng.choice([0.5, 0.75, 1.0, 0.25]))
        wet += np.float32(rng.uniform(0.1, 0.5)) * echo(
            bus,
            seconds=beats * 60 / tempo,
            feedback=float(rng.uniform(0.2, 0.6)),
            sample_rate=sample_rate,
        )
    return wet


def _draw_equaliser(role: str, sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return second-order sections ``(n, 6)``: gentle tilts, and what suits the role."""

    def bell(low: float, high: float, gain_db: float, q: float) -> NDArray[np.float64]:
        return peak(hz=_log(rng, low, high), gain_db=gain_db, q=q, sample_rate=sample_rate)

    sections = [
        bell(80, 200, rng.normal(0, 2), 0.4),
        bell(300, 3000, rng.normal(0, 3), 0.8),
        bell(5_000, 10_000, rng.normal(0, 2.5), 0.4),
    ]
    if role == "bass":
        sections.append(low_pass(hz=_log(rng, 1000, 6000), sample_rate=sample_rate))
    elif role in ("vocals", "harmony", "double"):
        sections.append(high_pass(hz=rng.uniform(80, 160), sample_rate=sample_rate))
    elif role == "drums":
        # The hiss of noise drums is brighter than what microphones and coders leave of cymbals.
        sections.append(low_pass(hz=rng.uniform(11_000, 18_000), sample_rate=sample_rate))
        sections.append(bell(500, 2500, rng.uniform(0, 6), 0.8))
    else:
        sections.append(high_pass(hz=rng.uniform(30, 140), sample_rate=sample_rate))
    return np.concatenate(sections)


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def set_levels(stems: Mapping[str, Floats], rng: np.random.Generator) -> dict[str, Floats]:
    """Return stems of RMS 1 at the levels that they have in a mixture."""
    return {
        stem: waveform * np.float32(10 ** (rng.normal(*LEVELS_DB[stem]) / 20))
        for stem, waveform in stems.items()
    }


def master(
    stems: Mapping[str, Floats], sample_rate: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return the stems with one common gain, that of a limiter on their sum.

    As it is common, the stems still add up to the mixture, and each is what it contributes to it.
    """
    mixture = sum(stems.values(), np.zeros_like(next(iter(stems.values()))))
    level = active_rms(mixture, sample_rate)
    if level == 0:
        return dict(stems)
    loudness = np.float32(10 ** (np.clip(rng.normal(-16.5, 2.2), -26, -11) / 20) / level)
    gain = loudness * limiter_gain(loudness * mixture, ceiling=CEILING, sample_rate=sample_rate)
    loudest = max(float(np.abs(gain * waveform).max()) for waveform in stems.values())
    gain *= np.float32(min(1.0, CEILING / max(CEILING, loudest)))
    return {stem: gain * waveform for stem, waveform in stems.items()}
