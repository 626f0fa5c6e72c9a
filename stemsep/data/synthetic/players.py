"""Who plays: for each part an instrument, sampled where the library has a fitting one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stemsep.data.synthetic.drumkit import draw_kit, stroke
from stemsep.data.synthetic.effects import distort
from stemsep.data.synthetic.oscillators import Floats, patch_tone
from stemsep.data.synthetic.patches import DISTORTED, draw_patch
from stemsep.data.synthetic.performance import Instrument, play_drums, play_notes, strummed
from stemsep.data.synthetic.sampler import (
    Library,
    SampledInstrument,
    SampledKit,
    sampled_tone,
)
from stemsep.data.synthetic.score import PERCUSSION, Part

__all__ = ["play_drum_part", "play_part", "sampled_instrument"]

SAMPLED = 0.75
"""Probability that a sampled instrument plays where one fits; else an oscillator does."""

DRUM_GAINS = {
    "kick": 0.9,
    "snare": 0.95,
    "sidestick": 0.45,
    "clap": 0.55,
    "hihat_closed": 0.26,
    "hihat_foot": 0.15,
    "hihat_open": 0.3,
    "tom_low": 0.7,
    "tom_mid": 0.7,
    "tom_high": 0.65,
    "crash": 0.4,
    "ride": 0.28,
    "ride_bell": 0.25,
    "tambourine": 0.2,
    "cowbell": 0.25,
    "conga": 0.4,
    "shaker": 0.15,
    "perc": 0.3,
}
"""Usual levels, for strokes of equal peaks."""

DRUM_PANS = {
    "hihat_closed": 0.35,
    "hihat_foot": 0.35,
    "hihat_open": 0.35,
    "tom_high": 0.3,
    "tom_mid": -0.05,
    "tom_low": -0.4,
    "crash": 0.4,
    "ride": -0.45,
    "ride_bell": -0.45,
    "tambourine": -0.5,
    "cowbell": 0.3,
    "conga": -0.4,
    "shaker": 0.5,
    "perc": -0.4,
    "clap": 0.1,
}
"""Places as the audience sees them; the others are in the middle."""


def play_part(
    part: Part,
    library: Library,
    *,
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> Floats:
    """Return a part for pitched instruments, played, ``(1 or 2, samples)``."""
    fitting = library.of_stem(part.stem)
    power = part.plucked and part.notes[0].pitch < 48
    role = "power" if power else part.role
    notes = strummed(part.notes, rng) if part.plucked else list(part.notes)
    if fitting and rng.random() < SAMPLED:
        instrument, distorted = _sampled(fitting, part, sample_rate, rng)
    else:
        instrument, distorted = _synthetic(role, sample_rate, rng)
    played = play_notes(notes, instrument, samples=samples, sample_rate=sample_rate)
    if distorted and played.any():
        drive = float(np.exp(rng.uniform(np.log(1.5), np.log(15))))
        played = distort(played, drive, float(rng.uniform(3500, 6000)), sample_rate)
    return played


def sampled_instrument(sampled: SampledInstrument, sample_rate: int) -> Instrument:
    """Return what plays with the notes of a sampled instrument."""

    def tone(pitch: int, seconds: float, velocity: float, take: int) -> Floats:
        wave = sampled_tone(
            sampled.samples, pitch=pitch, velocity=velocity, take=take, sample_rate=sample_rate
        )
        return wave[:, : max(1, round(seconds * sample_rate))]

    lowest, highest = sampled.range
    return Instrument(
        name=sampled.name,
        tone=tone,
        release_seconds=0.1,
        lowest=lowest,
        highest=max(highest, lowest + 12),
        takes=4,
    )


def play_drum_part(
    part: Part,
    library: Library,
    *,
    samples: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> Floats:
    """Return the drums, played, ``(2, samples)``."""
    strike = _synthetic_kit(sample_rate, rng)
    if library.kits and rng.random() < SAMPLED:
        strike = _sampled_kit(library.kits[rng.integers(len(library.kits))], strike, sample_rate)
    width, mirror = rng.uniform(0.2, 1.0), rng.choice([-1, 1])
    spread = np.exp(rng.normal(0, 0.25, len(DRUM_GAINS)))
    return play_drums(
        part.notes,
        strike,
        gains={s: g * float(f) for (s, g), f in zip(DRUM_GAINS.items(), spread, strict=True)},
        pans={sound: float(mirror * width * DRUM_PANS.get(sound, 0)) for sound in PERCUSSION},
        samples=samples,
        sample_rate=sample_rate,
    )


def _synthetic(role: str, sample_rate: int, rng: np.random.Generator) -> tuple[Instrument, bool]:
    family, patch = draw_patch(role, rng)
    seed = int(rng.integers(2**31))

    def tone(pitch: int, seconds: float, velocity: float, take: int) -> Floats:
        return patch_tone(
            patch,
            pitch=pitch,
            seconds=seconds,
            velocity=velocity,
            sample_rate=sample_rate,
            rng=np.random.default_rng([seed, pitch, round(100 * velocity), take]),
        )

    instrument = Instrument(name=family, tone=tone, release_seconds=patch.release_seconds)
    return instrument, family == DISTORTED


def _sampled(
    fitting: list[SampledInstrument], part: Part, sample_rate: int, rng: np.random.Generator
) -> tuple[Instrument, bool]:
    if part.plucked and (guitars := [i for i in fitting if "guitar" in i.name.lower()]):
        fitting = guitars
    chosen = fitting[rng.integers(len(fitting))]
    electric = "guitar" in chosen.name.lower() and "electric" in chosen.name.lower()
    low = part.plucked and part.notes[0].pitch < 48
    distorted = electric and bool(rng.random() < (0.8 if low else 0.3))
    return sampled_instrument(chosen, sample_rate), distorted


def _synthetic_kit(
    sample_rate: int, rng: np.random.Generator
) -> Callable[[str, float, int], Floats]:
    kit = draw_kit(rng)

    def strike(sound: str, velocity: float, take: int) -> Floats:
        return stroke(kit, sound, velocity=velocity, take=take, sample_rate=sample_rate)[None]

    return strike


def _sampled_kit(
    kit: SampledKit, otherwise: Callable[[str, float, int], Floats], sample_rate: int
) -> Callable[[str, float, int], Floats]:
    def strike(sound: str, velocity: float, take: int) -> Floats:
        if sound not in kit.sounds:
            return otherwise(sound, velocity, take)
        return sampled_tone(
            kit.sounds[sound], pitch=0, velocity=velocity, take=take, sample_rate=sample_rate
        )

    return strike
