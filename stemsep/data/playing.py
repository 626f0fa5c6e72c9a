"""What an example is to be made of -> its sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemsep.data.augment import AS_IT_IS, Colour, Timing, coloured
from stemsep.data.codec import Codec, recode
from stemsep.data.effects import limiter_gain
from stemsep.data.stretch import source_samples, stretch
from stemsep.data.track import Track

__all__ = ["Example", "Part", "Plan", "needed_samples", "play"]

FADE = 0.03
"""Seconds in which a stem that is not always there comes and goes."""


class Example(NamedTuple):
    """An excerpt to learn from.

    Attributes:
        stems: ``(stems, 2, samples)``.
        mixture: ``(2, samples)``: their sum, perhaps through a codec; or of a song without stems.
        reliable: ``(stems,)``: 1 for a stem to learn from, 0 for one that is not what it says.
    """

    stems: NDArray[np.float32]
    mixture: NDArray[np.float32]
    reliable: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Part:
    """An excerpt of one stem of one track, or of its mixture, and how it is changed."""

    track: Track
    stem: str | None
    start: int
    timing: Timing
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an example is made of: of each stem its parts, none where it is silent.

    Attributes:
        parts: see above; none at all for a song without stems.
        song: an excerpt of a song without stems.
        reliable: of each stem, whether it is one to learn from.
        gain: of each stem.
        limit_db: by how much the mixture is limited.
        codec: what the mixture goes through, and at how many kbit/s.
        spans: of each stem, where it begins and ends, in parts of the excerpt.
    """

    parts: Sequence[Sequence[Part]]
    song: Part | None
    reliable: Sequence[bool]
    gain: NDArray[np.float32]
    limit_db: float
    codec: tuple[Codec, int] | None
    spans: Sequence[tuple[float, float]]

    @property
    def heard(self) -> list[Part]:
        """All parts."""
        return [self.song] if self.song else [part for parts in self.parts for part in parts]


def needed_samples(samples: int, timing: Timing) -> int:
    """Return how many samples of a track an excerpt of ``samples`` takes."""
    return samples if timing == AS_IT_IS else source_samples(samples, tempo=timing.tempo)


def play(plan: Plan, *, samples: int, sample_rate: int) -> Example:
    """Return the example of a plan, ``samples`` long."""
    stems = np.zeros((len(plan.parts), 2, samples), np.float32)
    for stem, parts, gain in zip(stems, plan.parts, plan.gain, strict=True):
        for part in parts:
            stem += gain * _excerpt(part, samples)
    for stem, (start, stop) in zip(stems, plan.spans, strict=True):
        if (start, stop) != (0, 1):
            stem *= _span_gain(start * samples, stop * samples, samples, round(FADE * sample_rate))
    mixture = plan.gain[0] * _excerpt(plan.song, samples) if plan.song else stems.sum(0)
    if plan.limit_db:
        ceiling = np.abs(mixture).max() * 10 ** (-plan.limit_db / 20) + 1e-6
        gain = limiter_gain(mixture, ceiling=ceiling, sample_rate=sample_rate)
        stems, mixture = stems * gain, mixture * gain
    if plan.codec:
        codec, kbps = plan.codec
        mixture = recode(mixture, codec=codec, kbps=kbps, sample_rate=sample_rate)
    return Example(stems, mixture, np.array(plan.reliable, np.float32))


def _span_gain(start: float, stop: float, samples: int, fade: int) -> NDArray[np.float32]:
    """Return a gain ``(samples,)``, 1 in between and 0 outside; the excerpt's ends have no fade."""
    place = np.arange(samples)
    rising = (place - start) / fade if start > 0 else np.ones(samples)
    falling = (stop - place) / fade if stop < samples else np.ones(samples)
    return np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)


def _excerpt(part: Part, samples: int) -> NDArray[np.float32]:
    track, timing, needed = part.track, part.timing, needed_samples(samples, part.timing)
    if part.stem is None:
        excerpt = track.mixed(part.start, needed)
    else:
        excerpt = track.excerpt(part.stem, part.start, needed)
    if timing != AS_IT_IS:
        excerpt = stretch(
            excerpt,
            pitch=timing.pitch,
            tempo=timing.tempo,
            sample_rate=track.sample_rate,
            samples=samples,
        )
    return coloured(excerpt, part.colour, sample_rate=track.sample_rate)
