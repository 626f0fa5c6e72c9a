"""Noise drums: kits made of decaying sines and shaped noise, each draw another kit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemsep.data.synthetic.oscillators import Floats, shaped_noise

__all__ = ["draw_kit", "stroke"]

Draw = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Kit:
    """The character that the drums of a kit share.

    Args:
        seed: of each drum's own character.
        electronic: 0 (shells and skins) to 1 (a drum machine).
        bright: factor of all corner frequencies.
        damped: factor of all rates of decay.
    """

    seed: int
    electronic: float
    bright: float
    damped: float


def draw_kit(rng: Draw) -> Kit:
    """Return a random kit."""
    return Kit(
        seed=int(rng.integers(2**31)),
        electronic=float(rng.choice([0.0, 0.2, 0.5, 1.0])),
        bright=float(np.exp(rng.normal(0, 0.2))),
        damped=float(np.exp(rng.normal(0, 0.3))),
    )


def stroke(kit: Kit, sound: str, *, velocity: float, take: int, sample_rate: int) -> Floats:
    """Return one stroke ``(samples,)``, its peak near 1 whatever the velocity.

    Args:
        kit: whose drum.
        sound: a key of `stemsep.data.synthetic.score.PERCUSSION`.
        velocity: 0 to 1; a soft stroke is duller.
        take: no two takes are alike.
        sample_rate: Hz.
    """
    number = sorted(DRUMS).index(sound)
    character = np.random.default_rng([kit.seed, number])
    chance = np.random.default_rng([kit.seed, number, take])
    wave = DRUMS[sound](_Stroke(kit, velocity, sample_rate, chance), character)
    wave = wave / max(1e-9, float(np.abs(wave).max()))
    return wave.astype(np.float32)


@dataclass(frozen=True)
class _Stroke:
    kit: Kit
    velocity: float
    sample_rate: int
    rng: Draw

    def times(self, seconds: float) -> NDArray[np.float64]:
        return np.arange(int(seconds * self.sample_rate)) / self.sample_rate

    def noise(self, seconds: float, low: float, high: float, slope: float = 2.0) -> Floats:
        bright = self.kit.bright * (0.6 + 0.4 * self.velocity)
        return shaped_noise(
            int(seconds * self.sample_rate),
            self.sample_rate,
            self.rng,
            low_hz=low * self.kit.bright,
            high_hz=min(0.48 * self.sample_rate, high * bright),
            slope=slope,
        )

    def fade(self, times: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
        """Return an exponential decay whose level falls by 60 dB in ``seconds``."""
        return np.exp(-6.9 * times * self.kit.damped / seconds) * np.minimum(1, times / 0.0005)

    def metal(self, seconds: float, pitch: float, ratios: NDArray[np.float64]) -> Floats:
        """Return a cluster of square waves, the sound of cheap and of electronic cymbals."""
        times = self.times(seconds)
        wave = np.zeros(len(times), np.float32)
        for ratio in ratios:
            cycles = times * pitch * ratio + self.rng.random()
            wave += np.where(cycles % 1 < 0.5, 0.4, -0.4).astype(np.float32)
        return wave


def _swept(times: NDArray[np.float64], end: float, rise: float, fall: float) -> NDArray[np.float64]:
    """Return a sine that falls from ``end + rise`` to ``end`` Hz."""
    cycles = end * times + rise * fall * (1 - np.exp(-times / fall))
    return np.sin(2 * np.pi * cycles)


def _kick(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    end, rise = c.uniform(42, 68), c.uniform(60, 350)
    length = c.uniform(0.25, 0.5) + s.kit.electronic * c.uniform(0, 0.8)
    times = s.times(min(1.2, length))
    body = _swept(times, end, rise, c.uniform(0.012, 0.05)) * s.fade(times, length)
    click = s.noise(0.03, 1500, c.uniform(3000, 9000)) * s.fade(s.times(0.03), 0.02)
    body[: len(click)] += c.uniform(0.05, 0.35) * s.velocity * click
    if s.kit.electronic < 0.5:  # the air in the drum
        skin = s.noise(0.2, 60, 400) * s.fade(s.times(0.2), 0.15)
        body[: len(skin)] += 0.15 * skin[: len(body)]
    return np.tanh(body * c.uniform(1, 3))


def _snare(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    pitch, length = c.uniform(160, 260), c.uniform(0.15, 0.4)
    times = s.times(0.5)
    shell = _swept(times, pitch, c.uniform(20, 120), 0.015) * s.fade(times, length * 0.8)
    shell += 0.5 * np.sin(2 * np.pi * pitch * 1.6 * times) * s.fade(times, length * 0.5)
    wires = s.noise(0.5, c.uniform(300, 1500), c.uniform(6000, 13000), 1.0)
    crack = s.noise(0.5, 1500, 9000, 1.0) * s.fade(times, 0.04)
    return (
        shell * c.uniform(0.4, 0.9)
        + wires * s.fade(times, length) * c.uniform(0.25, 0.5)
        + crack * c.uniform(0.1, 0.4) * s.velocity
    )


def _sidestick(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(0.12)
    wood = np.sin(2 * np.pi * c.uniform(420, 560) * times) * s.fade(times, 0.06)
    wood += np.sin(2 * np.pi * c.uniform(1500, 2100) * times) * s.fade(times, 0.05)
    return wood + 0.3 * s.noise(0.12, 1500, 7000) * s.fade(times, 0.03)


def _clap(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(0.4)
    envelope = np.zeros(len(times))
    for hand in range(4):
        late = times - hand * (0.009 + 0.004 * s.rng.random())
        length = c.uniform(0.1, 0.3) if hand == 3 else 0.02
        envelope += np.where(late >= 0, np.exp(-6.9 * np.maximum(late, 0) / length), 0)
    return s.noise(0.4, 800, c.uniform(3000, 7000)) * envelope


def _hihat(s: _Stroke, c: Draw, length: float) -> NDArray[np.float64]:
    seconds = min(0.9, 1.2 * length + 0.02)
    times = s.times(seconds)
    pitch, high = c.uniform(250, 450), c.uniform(5000, 8500)
    metal = s.metal(seconds, pitch, np.array([2, 3, 4.16, 5.43, 6.79, 8.21]))
    share = 0.2 + 0.5 * s.kit.electronic
    air = s.noise(seconds, high, 15000, 1.5)
    # The metal's low partials go: only its brightness is a cymbal's.
    metal = np.diff(np.diff(metal, prepend=0), prepend=0).astype(np.float32)
    metal /= max(1e-9, float(metal.std()))
    return (share * metal + (1 - share) * air) * s.fade(times, length)


def _hihat_closed(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _hihat(s, c, c.uniform(0.05, 0.13))


def _hihat_foot(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _hihat(s, c, 0.09)


def _hihat_open(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _hihat(s, c, c.uniform(0.35, 0.8))


def _cymbal(s: _Stroke, c: Draw, length: float, stick: float) -> NDArray[np.float64]:
    times = s.times(length)
    low = s.noise(length, c.uniform(300, 900), 3500, 1.0) * s.fade(times, length * 0.9)
    mid = s.noise(length, 2500, 8000, 1.0) * s.fade(times, length)
    high = s.noise(length, 7000, 16000, 1.0) * s.fade(times, length * 0.6)
    swell = 1 - 0.6 * np.exp(-times / 0.03)
    ping = np.zeros(len(times))
    for ratio in c.uniform(1, 6, 8):
        ping += np.sin(2 * np.pi * (420 * ratio * times + s.rng.random()))
    ping *= s.fade(times, length * 0.7)
    wash = (0.35 * low + 0.6 * mid + 0.5 * high) * swell
    return (1 - stick) * wash + stick * 0.3 * ping + 0.1 * mid * s.fade(times, 0.05)


def _crash(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _cymbal(s, c, c.uniform(1.2, 2.5), 0.1)


def _ride(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(1.2)
    tick = s.noise(1.2, 4000, 12000) * s.fade(times, 0.05)
    return _cymbal(s, c, 1.2, c.uniform(0.3, 0.6)) * 0.35 + 0.35 * tick


def _ride_bell(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(1.0)
    bell = sum(
        np.sin(2 * np.pi * f * times) * s.fade(times, 0.8)
        for f in c.uniform(700, 900) * np.array([1, 1.51, 2.31, 3.7, 5.1])
    )
    return np.asarray(bell) + 0.5 * s.noise(1.0, 4000, 12000) * s.fade(times, 0.2)


def _tom(s: _Stroke, c: Draw, pitch: float) -> NDArray[np.float64]:
    length = c.uniform(0.3, 0.7)
    times = s.times(0.8)
    skin = _swept(times, pitch, pitch * 0.5, 0.03) * s.fade(times, length)
    skin += 0.3 * np.sin(2 * np.pi * 1.59 * pitch * times) * s.fade(times, length * 0.5)
    return skin + 0.15 * s.velocity * s.noise(0.8, 300, 4000) * s.fade(times, 0.06)


def _tom_low(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _tom(s, c, c.uniform(65, 90))


def _tom_mid(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _tom(s, c, c.uniform(90, 130))


def _tom_high(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _tom(s, c, c.uniform(130, 190))


def _conga(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    return _tom(s, c, c.uniform(180, 320) * s.rng.choice([1.0, 1.3]))


def _shaker(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(0.14)
    swell = np.exp(-(((times - c.uniform(0.02, 0.05)) / 0.025) ** 2))
    return np.asarray(s.noise(0.14, c.uniform(3000, 6000), 13000) * swell)


def _tambourine(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(0.3)
    jingle = s.metal(0.3, c.uniform(2200, 3200), np.array([1, 1.34, 1.83, 2.4]))
    air = s.noise(0.3, 6000, 15000)
    return (0.4 * jingle + air) * (s.fade(times, 0.25) + 0.4 * s.fade(times, 0.05))


def _cowbell(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    metal = s.metal(0.3, c.uniform(500, 600), np.array([1.0, 1.48]))
    return metal * s.fade(s.times(0.3), c.uniform(0.1, 0.3))


def _perc(s: _Stroke, c: Draw) -> NDArray[np.float64]:
    times = s.times(0.2)
    wood = np.sin(2 * np.pi * c.uniform(600, 1600) * times) * s.fade(times, c.uniform(0.04, 0.15))
    return wood + 0.15 * s.noise(0.2, 1000, 6000) * s.fade(times, 0.03)


DRUMS: dict[str, Callable[[_Stroke, Draw], NDArray[np.float64]]] = {
    "kick": _kick,
    "snare": _snare,
    "sidestick": _sidestick,
    "clap": _clap,
    "hihat_closed": _hihat_closed,
    "hihat_foot": _hihat_foot,
    "hihat_open": _hihat_open,
    "tom_low": _tom_low,
    "tom_mid": _tom_mid,
    "tom_high": _tom_high,
    "crash": _crash,
    "ride": _ride,
    "ride_bell": _ride_bell,
    "tambourine": _tambourine,
    "cowbell": _cowbell,
    "conga": _conga,
    "shaker": _shaker,
    "perc": _perc,
}
"""The same sounds as in `stemsep.data.synthetic.score.PERCUSSION`."""
