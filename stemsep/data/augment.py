"""A stem's excerpt -> the same stem as another singer, room or studio might have made it.

With minutes of music to learn from, what is varied here decides how well a network does on songs
that it has not heard. Everything is drawn first, from a generator, and then applied: an excerpt
depends on its draw alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemsep.data import effects
from stemsep.errors import ParameterError

__all__ = [
    "AS_IT_IS",
    "AugmentConfig",
    "Colour",
    "Timing",
    "coloured",
    "draw_colour",
    "draw_timing",
]

EQ_BANDS = 3
EQ_HZ = (60.0, 12_000.0)
EQ_Q = (0.4, 1.5)

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How the stems of an excerpt are varied: probabilities in [0, 1], and ranges drawn from.

    Pitch, tempo and speed are one draw for the stems of a song that stay together; the rest is
    drawn for each stem. Several changes of one stem add up.

    Args:
        swap_channels: probability to swap left and right.
        flip_polarity: probability to turn the sign.
        mono: probability to put a stem in the middle.
        speed: probability to play faster or slower, pitch and tempo together.
        speed_range: slowest and fastest factor.
        pitch: probability to change the pitch alone.
        pitch_semitones: at most so much up or down.
        tempo: probability to change the tempo alone.
        tempo_range: slowest and fastest factor.
        eq: probability of an equaliser of three bands.
        eq_db: at most so much up or down in each.
        high_pass: probability to take away the low end.
        high_pass_hz: lowest and highest corner.
        low_pass: probability to take away the high end.
        low_pass_hz: lowest and highest corner.
        compress: probability to even out loud and quiet.
        compress_ratio: smallest and largest.
        reverb: probability to play in a room.
        reverb_seconds: shortest and longest reverberation time.
        reverb_db: softest and loudest room, beside the stem itself.

    Raises:
        ParameterError: a probability or range that cannot be.
    """

    swap_channels: float = 0.5
    flip_polarity: float = 0.5
    mono: float = 0.0
    speed: float = 0.3
    speed_range: Range = (0.85, 1.18)
    pitch: float = 0.0
    pitch_semitones: float = 3.0
    tempo: float = 0.0
    tempo_range: Range = (0.8, 1.25)
    eq: float = 0.0
    eq_db: float = 6.0
    high_pass: float = 0.0
    high_pass_hz: Range = (30.0, 300.0)
    low_pass: float = 0.0
    low_pass_hz: Range = (3_000.0, 16_000.0)
    compress: float = 0.0
    compress_ratio: Range = (1.5, 6.0)
    reverb: float = 0.0
    reverb_seconds: Range = (0.2, 1.5)
    reverb_db: Range = (-24.0, -8.0)

    def __post_init__(self) -> None:
        for name in PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it is a probability, 0 to 1")
        for name in RANGES:
            low, high = getattr(self, name)
            object.__setattr__(self, name, (low, high))
            if not low <= high < math.inf or (low <= 0 and name != "reverb_db"):
                raise ParameterError(f"{name} = {(low, high)}: give (lowest, highest), above 0")
        if not (0 <= self.pitch_semitones <= 12 and self.eq_db >= 0):
            raise ParameterError(
                f"pitch_semitones = {self.pitch_semitones}, eq_db = {self.eq_db}: they must be 0 "
                "or more, and the pitch at most 12"
            )
        if self.tempo_range[0] * 2 ** (-self.pitch_semitones / 12) < 0.5:
            raise ParameterError(
                f"tempo_range = {self.tempo_range} with pitch_semitones = {self.pitch_semitones}: "
                "stretched to more than twice its length; draw from less"
            )


PROBABILITIES = (
    "swap_channels flip_polarity mono speed pitch tempo eq high_pass low_pass compress reverb"
).split()
RANGES = [
    name for name in AugmentConfig.__dataclass_fields__ if name.endswith(("_range", "_hz"))
] + ["compress_ratio", "reverb_seconds", "reverb_db"]


@dataclass(frozen=True)
class Timing:
    """How fast and how high an excerpt is played: factors, as of `stemsep.data.stretch`."""

    pitch: float = 1.0
    tempo: float = 1.0


AS_IT_IS = Timing()


@dataclass(frozen=True, kw_only=True)
class Colour:
    """What else is done to a stem.

    Attributes:
        sections: second-order sections ``(n, 6)`` of its filters.
        ratio: of its compressor; 1 is none.
        room: seconds and level in dB of its reverberation, and the seed of its noise.
        matrix: ``(2, 2)``: the new left and right out of the old ones.
    """

    sections: NDArray[np.float64]
    ratio: float
    room: tuple[float, float, int] | None
    matrix: NDArray[np.float32]


def draw_timing(rng: np.random.Generator, config: AugmentConfig) -> Timing:
    """Return a pitch and a tempo."""
    speed = _within(rng, config.speed_range) if rng.random() < config.speed else 1.0
    pitch = tempo = 1.0
    if rng.random() < config.pitch:
        pitch = 2 ** (rng.uniform(-config.pitch_semitones, config.pitch_semitones) / 12)
    if rng.random() < config.tempo:
        tempo = _within(rng, config.tempo_range)
    return Timing(pitch=speed * pitch, tempo=speed * tempo)


def draw_colour(rng: np.random.Generator, config: AugmentConfig, *, sample_rate: int) -> Colour:
    """Return the filters, compressor, room and places of channels for one stem."""
    room = None
    if rng.random() < config.reverb:
        level_db = rng.uniform(*config.reverb_db)
        room = (_within(rng, config.reverb_seconds), level_db, int(rng.integers(2**32)))
    return Colour(
        sections=_draw_filters(rng, config, sample_rate),
        ratio=_within(rng, config.compress_ratio) if rng.random() < config.compress else 1.0,
        room=room,
        matrix=_draw_matrix(rng, config),
    )


def coloured(
    waveform: NDArray[np.float32], colour: Colour, *, sample_rate: int
) -> NDArray[np.float32]:
    """Return an excerpt ``(2, samples)`` with what was drawn for it."""
    if len(colour.sections):
        waveform = effects.filtered(waveform, colour.sections)
    if colour.ratio != 1:
        waveform = effects.compress(waveform, ratio=colour.ratio, sample_rate=sample_rate)
    if colour.room:
        seconds, level_db, seed = colour.room
        waveform = effects.reverberate(
            waveform,
            seconds=seconds,
            level_db=level_db,
            sample_rate=sample_rate,
            rng=np.random.default_rng(seed),
        )
    return colour.matrix @ waveform


def _draw_filters(
    rng: np.random.Generator, config: AugmentConfig, sample_rate: int
) -> NDArray[np.float64]:
    parts = [np.zeros((0, 6))]
    if rng.random() < config.eq:
        highest = min(EQ_HZ[1], 0.45 * sample_rate)
        for _ in range(EQ_BANDS):
            gain_db = rng.uniform(-config.eq_db, config.eq_db)
            hz, q = _within(rng, (EQ_HZ[0], highest)), _within(rng, EQ_Q)
            parts.append(effects.peak(hz=hz, gain_db=gain_db, q=q, sample_rate=sample_rate))
    if rng.random() < config.high_pass:
        hz = _within(rng, config.high_pass_hz)
        parts.append(effects.high_pass(hz=hz, sample_rate=sample_rate))
    if rng.random() < config.low_pass:
        hz = _within(rng, config.low_pass_hz)
        parts.append(effects.low_pass(hz=hz, sample_rate=sample_rate))
    return np.concatenate(parts)


def _draw_matrix(rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.float32]:
    matrix = np.eye(2, dtype=np.float32)
    if rng.random() < config.mono:
        matrix[:] = 0.5
    if rng.random() < config.swap_channels:
        matrix = matrix[::-1]
    return -matrix if rng.random() < config.flip_polarity else matrix


def _within(rng: np.random.Generator, bounds: Range) -> float:
    """Return a number that is as likely to be in one octave of the range as in another."""
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))
