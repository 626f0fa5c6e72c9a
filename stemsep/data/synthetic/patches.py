"""Families of synthetic instruments: each draw is another instrument of its family."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stemsep.data.synthetic.oscillators import Patch

__all__ = ["DISTORTED", "FAMILIES", "draw_patch"]

Draw = np.random.Generator


def _synth_bass(rng: Draw) -> Patch:
    return Patch(
        shape=str(rng.choice(["saw", "square", "pulse", "triangle"])),  # type: ignore[arg-type]
        width=rng.uniform(0.1, 0.5),
        cutoff_hz=_log(rng, 300, 4000),
        sweep_octaves=rng.uniform(0, 3),
        sweep_seconds=_log(rng, 0.05, 0.6),
        resonance_db=rng.uniform(0, 9),
        sustain=rng.uniform(0.5, 1),
        fade_seconds=_log(rng, 0.1, 0.6),
        release_seconds=rng.uniform(0.03, 0.12),
    )


def _sub_bass(rng: Draw) -> Patch:
    return Patch(
        shape="drawbars",
        drawbars=(1.0, rng.uniform(0, 0.3), rng.uniform(0, 0.1)),
        decay=rng.choice([0.0, rng.uniform(0.8, 3)]),
        attack_seconds=0.008,
        release_seconds=0.1,
    )


def _electric_bass(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.07, 0.3),
        tilt_db=rng.uniform(-4, 0),
        cutoff_hz=_log(rng, 1200, 6000),
        tracking=0.2,
        decay=rng.uniform(0.5, 1.6),
        damping=rng.uniform(0.06, 0.25),
        attack_seconds=rng.uniform(0.003, 0.012),
        release_seconds=rng.uniform(0.04, 0.12),
        body=((90, rng.uniform(0, 5), 0.8), (700, rng.uniform(-4, 4), 0.7)),
    )


def _upright_bass(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.2, 0.45),
        tilt_db=-6,
        cutoff_hz=_log(rng, 400, 1500),
        decay=rng.uniform(2, 5),
        damping=0.15,
        attack_seconds=0.012,
        body=((100, 5, 0.5), (220, 3, 0.4)),
    )


def _piano(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.08, 0.14),
        tilt_db=rng.uniform(-5, -2),
        cutoff_hz=_log(rng, 1200, 4500),
        decay=rng.uniform(0.6, 1.3),
        damping=rng.uniform(0.04, 0.12),
        attack_seconds=0.002,
        release_seconds=0.15,
        unison=2,
        detune_cents=rng.uniform(0.5, 2.5),
        bells=((rng.uniform(5, 9), 0.05, 40), (rng.uniform(1.5, 2.5), 0.05, 30)),
    )


def _electric_piano(rng: Draw) -> Patch:
    return Patch(
        shape="drawbars",
        drawbars=(1, rng.uniform(0.1, 0.5), rng.uniform(0, 0.3), rng.uniform(0, 0.15), 0.05),
        decay=rng.uniform(0.6, 1.5),
        damping=0.4,
        attack_seconds=0.003,
        release_seconds=0.12,
        bells=((rng.uniform(6.5, 8), rng.uniform(0.05, 0.25), rng.uniform(6, 20)),),
    )


def _organ(rng: Draw) -> Patch:
    bars = np.zeros(16)
    for partial in (1, 2, 3, 4, 6, 8, 10, 12, 16):
        bars[partial - 1] = rng.choice([0, 0.3, 0.6, 1.0])
    bars[0] = max(bars[0], 0.5)
    return Patch(
        shape="drawbars",
        drawbars=tuple(float(bar) for bar in bars),
        attack_seconds=rng.uniform(0.005, 0.03),
        release_seconds=0.05,
        vibrato_cents=rng.choice([0.0, 8.0]),
        vibrato_hz=rng.choice([0.9, 6.6]),
        unison=2,
        detune_cents=2,
    )


def _acoustic_guitar(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.1, 0.3),
        tilt_db=rng.uniform(-3, 0),
        cutoff_hz=_log(rng, 2500, 7000),
        decay=rng.uniform(1, 2.5),
        damping=rng.uniform(0.04, 0.1),
        attack_seconds=0.002,
        release_seconds=0.08,
        body=((105, 5, 0.3), (210, 5, 0.3), (2500, 3, 0.8)),
        breath=0.01,
    )


def _clean_guitar(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.06, 0.3),
        tilt_db=rng.uniform(-4, 0),
        cutoff_hz=_log(rng, 2000, 5000),
        decay=rng.uniform(0.6, 1.6),
        damping=rng.uniform(0.03, 0.08),
        attack_seconds=0.003,
        release_seconds=0.06,
        body=((2200, 4, 0.8),),
    )


def _distorted_guitar(rng: Draw) -> Patch:
    return Patch(
        shape="pluck",
        width=rng.uniform(0.05, 0.2),
        cutoff_hz=_log(rng, 1500, 4000),
        decay=rng.uniform(0.3, 0.8),
        damping=0.04,
        attack_seconds=0.003,
        release_seconds=0.05,
    )


def _strings(rng: Draw) -> Patch:
    return Patch(
        shape="saw",
        tilt_db=rng.uniform(-3, 0),
        cutoff_hz=_log(rng, 1800, 6000),
        attack_seconds=rng.uniform(0.05, 0.3),
        release_seconds=rng.uniform(0.15, 0.4),
        body=((450, 4, 0.4), (1000, 3, 0.5), (3000, 4, 0.6)),
        vibrato_cents=rng.uniform(5, 18),
        vibrato_hz=rng.uniform(4.8, 6.2),
        unison=int(rng.choice([1, 3])),
        detune_cents=rng.uniform(4, 10),
        breath=0.03,
    )


def _synth_pad(rng: Draw) -> Patch:
    return Patch(
        shape=str(rng.choice(["saw", "saw", "square", "pulse"])),  # type: ignore[arg-type]
        width=rng.uniform(0.1, 0.5),
        cutoff_hz=_log(rng, 500, 5000),
        sweep_octaves=rng.uniform(-1.5, 2),
        sweep_seconds=_log(rng, 0.3, 3),
        resonance_db=rng.uniform(0, 6),
        attack_seconds=_log(rng, 0.02, 0.8),
        release_seconds=_log(rng, 0.1, 0.8),
        unison=int(rng.choice([2, 3])),
        detune_cents=rng.uniform(5, 18),
    )


def _choir_pad(rng: Draw) -> Patch:
    first, second = [(730, 1090), (570, 840), (300, 870)][rng.integers(3)]
    return Patch(
        shape="saw",
        tilt_db=-4,
        body=((first, 14, 0.25), (second, 12, 0.2), (2600, 9, 0.25), (3500, 7, 0.2)),
        attack_seconds=rng.uniform(0.1, 0.4),
        release_seconds=0.3,
        vibrato_cents=12,
        unison=3,
        detune_cents=12,
        breath=0.08,
    )


def _brass(rng: Draw) -> Patch:
    return Patch(
        shape="saw",
        cutoff_hz=_log(rng, 900, 2500),
        sweep_octaves=rng.uniform(-2, -0.8),
        sweep_seconds=rng.uniform(0.03, 0.12),
        attack_seconds=rng.uniform(0.015, 0.05),
        sustain=0.85,
        release_seconds=0.07,
        body=((1200, 4, 0.6),),
        vibrato_cents=rng.uniform(0, 12),
        breath=0.02,
    )


def _reed(rng: Draw) -> Patch:
    return Patch(
        shape=str(rng.choice(["square", "pulse", "saw"])),  # type: ignore[arg-type]
        width=rng.uniform(0.15, 0.4),
        tilt_db=-2,
        cutoff_hz=_log(rng, 1500, 4000),
        attack_seconds=rng.uniform(0.02, 0.06),
        release_seconds=0.06,
        body=((600, 4, 0.4), (1500, 5, 0.4)),
        vibrato_cents=rng.uniform(4, 20),
        breath=rng.uniform(0.02, 0.1),
    )


def _flute(rng: Draw) -> Patch:
    return Patch(
        shape="drawbars",
        drawbars=(1, rng.uniform(0.1, 0.5), rng.uniform(0.05, 0.3), 0.05, 0.03),
        attack_seconds=rng.uniform(0.03, 0.1),
        release_seconds=0.08,
        vibrato_cents=rng.uniform(5, 20),
        vibrato_hz=5,
        breath=rng.uniform(0.05, 0.25),
    )


def _lead(rng: Draw) -> Patch:
    return Patch(
        shape=str(rng.choice(["saw", "square", "pulse"])),  # type: ignore[arg-type]
        width=rng.uniform(0.05, 0.5),
        cutoff_hz=_log(rng, 1000, 8000),
        sweep_octaves=rng.uniform(0, 2.5),
        sweep_seconds=_log(rng, 0.1, 0.6),
        resonance_db=rng.uniform(0, 10),
        vibrato_cents=rng.choice([0.0, rng.uniform(5, 25)]),
        unison=int(rng.choice([1, 2, 3])),
        detune_cents=rng.uniform(3, 20),
        release_seconds=rng.uniform(0.05, 0.2),
    )


def _synth_pluck(rng: Draw) -> Patch:
    return Patch(
        shape=str(rng.choice(["saw", "square", "pulse", "triangle"])),  # type: ignore[arg-type]
        width=rng.uniform(0.1, 0.5),
        cutoff_hz=_log(rng, 300, 2500),
        sweep_octaves=rng.uniform(1.5, 4),
        sweep_seconds=_log(rng, 0.05, 0.25),
        resonance_db=rng.uniform(0, 8),
        decay=rng.uniform(1.5, 6),
        damping=0.02,
        attack_seconds=0.002,
        release_seconds=0.12,
        unison=int(rng.choice([1, 2])),
        detune_cents=rng.uniform(3, 12),
    )


def _mallet(rng: Draw) -> Patch:
    rate = rng.uniform(1.5, 8)
    return Patch(
        shape="drawbars",
        drawbars=(1.0, 0.02),
        decay=rate,
        attack_seconds=0.002,
        release_seconds=0.3,
        bells=(
            (rng.choice([3.0, 3.93, 4.0]), rng.uniform(0.1, 0.4), 3 * rate),
            (rng.uniform(9, 10.5), rng.uniform(0.02, 0.15), 8 * rate),
        ),
    )


def _bell(rng: Draw) -> Patch:
    rate = rng.uniform(0.6, 2.5)
    ratios = (0.5, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.1)
    return Patch(
        shape="drawbars",
        drawbars=(0.6,),
        decay=rate,
        attack_seconds=0.001,
        release_seconds=0.6,
        bells=tuple(
            (r * rng.uniform(0.99, 1.01), rng.uniform(0.1, 0.5), rate * (0.7 + 0.5 * r))
            for r in ratios
        ),
    )


FAMILIES: dict[str, Callable[[Draw], Patch]] = {
    "synth bass": _synth_bass,
    "sub bass": _sub_bass,
    "electric bass": _electric_bass,
    "upright bass": _upright_bass,
    "piano": _piano,
    "electric piano": _electric_piano,
    "organ": _organ,
    "acoustic guitar": _acoustic_guitar,
    "clean guitar": _clean_guitar,
    "distorted guitar": _distorted_guitar,
    "strings": _strings,
    "synth pad": _synth_pad,
    "choir pad": _choir_pad,
    "brass": _brass,
    "reed": _reed,
    "flute": _flute,
    "lead": _lead,
    "synth pluck": _synth_pluck,
    "mallet": _mallet,
    "bell": _bell,
}

DISTORTED = "distorted guitar"
"""The family that is played through an amplifier."""

SUITING = {
    "bass": ("synth bass", "sub bass", "electric bass", "electric bass", "upright bass"),
    "chords": (
        *("piano", "electric piano", "organ", "acoustic guitar", "acoustic guitar"),
        *("clean guitar", "clean guitar", "distorted guitar", "synth pluck", "brass", "strings"),
    ),
    "power": ("distorted guitar",),
    "pad": ("strings", "synth pad", "synth pad", "choir pad", "organ"),
    "arpeggio": ("synth pluck", "mallet", "piano", "clean guitar", "acoustic guitar", "bell"),
    "riff": (
        *("lead", "lead", "brass", "reed", "flute", "strings", "clean guitar"),
        *("distorted guitar", "distorted guitar", "mallet", "synth pluck", "piano"),
    ),
}
"""Families that may play a role."""


def draw_patch(role: str, rng: Draw) -> tuple[str, Patch]:
    """Return the family and an instrument that suit a role of ``SUITING``."""
    families = SUITING[role]
    family = families[rng.integers(len(families))]
    return family, FAMILIES[family](rng)


def _log(rng: Draw, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
