"""Tracks -> training examples: random excerpts of stems, remixed across songs and varied.

An example depends on the seed, the step and its place in the batch alone, so that a resumed run
draws what an uninterrupted one would have drawn, and a batch can be drawn in parts. Remixing stems
of different songs is the main lever with little data (S. Uhlich et al., "Improving music source
separation based on deep neural networks through data augmentation and network blending", ICASSP
2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemsep.data.augment import AugmentConfig, Colour, Timing, coloured, draw_colour, draw_timing
from stemsep.data.effects import limiter_gain
from stemsep.data.stretch import source_samples, stretch
from stemsep.data.track import Track
from stemsep.errors import DatasetError, ParameterError

__all__ = ["RemixConfig", "RemixSampler"]


@dataclass(frozen=True, kw_only=True)
class RemixConfig:
    """What training excerpts are made of; probabilities in [0, 1].

    Args:
        remix: probability that each stem of an excerpt comes from a song of its own.
        gain_db: each stem's gain is drawn evenly from plus or minus this many dB.
        mixture_gain_db: the same for the whole excerpt.
        silence: probability that a stem is left out, for each stem.
        absent: probability that an excerpt is of some stems only, one to all but one.
        chorus: probability that each stem is two at once: as dense as a loud chorus.
        limit: probability that the whole excerpt is limited, as loud records are.
        limit_db: by at most so much, at its loudest.

    Raises:
        ParameterError: a probability or range that cannot be.
    """

    remix: float = 0.75
    gain_db: float = 6.0
    mixture_gain_db: float = 4.0
    silence: float = 0.05
    absent: float = 0.0
    chorus: float = 0.0
    limit: float = 0.0
    limit_db: float = 9.0

    def __post_init__(self) -> None:
        for name in ("remix", "silence", "absent", "chorus", "limit"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it is a probability, 0 to 1")
        for name in ("gain_db", "mixture_gain_db", "limit_db"):
            if not 0 <= getattr(self, name) <= 100:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 0 to 100 dB")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """An excerpt of one stem of one track, and how it is changed."""

    track: Track
    stem: str
    start: int
    timing: Timing
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What an example is made of: of each stem its parts, none where it is silent."""

    parts: Sequence[Sequence[_Part]]
    gain: NDArray[np.float32]
    limit_db: float


class RemixSampler:
    """Draws batches of stem excerpts from weighted groups of tracks.

    Args:
        sources: ``(tracks, weight)``: a song's chance is its source's weight, shared evenly with
            the source's other songs.
        stems: names, in the order of the batch.
        samples: length of an excerpt.
        config: what an excerpt is made of.
        augment: how its stems are varied.
        seed: of everything random here.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Sequence[Track], float]],
        *,
        stems: Sequence[str],
        samples: int,
        config: RemixConfig,
        augment: AugmentConfig,
        seed: int,
    ) -> None:
        self.stems, self.samples, self.seed = tuple(stems), samples, seed
        self.config, self.augment = config, augment
        self.sample_rate = sources[0][0][0].sample_rate
        chance = [(track, weight / len(tracks)) for tracks, weight in sources for track in tracks]
        self.whole = _Draw(chance, self.stems)
        self.having = [_Draw(chance, [stem]) for stem in self.stems]

    def batch(self, step: int, examples: range) -> NDArray[np.float32]:
        """Return the stems of these examples of a step: ``(examples, stems, 2, samples)``."""
        return np.stack([self._played(self._plan(step, i)) for i in examples])

    def sources(self, step: int, examples: range) -> list[str]:
        """Return the names of the tracks that these examples of a step come from, each once."""
        plans = (self._plan(step, i) for i in examples)
        heard = (part.track.name for plan in plans for stem in plan.parts for part in stem)
        return list(dict.fromkeys(heard))

    def _plan(self, step: int, example: int) -> _Plan:
        rng, config = np.random.default_rng([self.seed, step, example]), self.config
        remix = rng.random() < config.remix
        layers = [self._draw_layer(rng, remix) for _ in range(1 + (rng.random() < config.chorus))]
        gain_db = rng.uniform(-config.gain_db, config.gain_db, len(self.stems))
        gain_db += rng.uniform(-config.mixture_gain_db, config.mixture_gain_db)
        heard = self._draw_heard(rng)
        return _Plan(
            parts=[[layer[i] for layer in layers] if heard[i] else [] for i in range(len(heard))],
            gain=(10 ** (gain_db / 20)).astype(np.float32),
            limit_db=rng.uniform(0, config.limit_db) if rng.random() < config.limit else 0.0,
        )

    def _draw_layer(self, rng: np.random.Generator, remix: bool) -> list[_Part]:
        """Return a part of each stem: of songs of their own, or of one moment of one song."""
        if remix:
            drawn = ((draw(rng), stem) for draw, stem in zip(self.having, self.stems, strict=True))
            return [part for track, stem in drawn for part in self._draw_parts(rng, track, [stem])]
        return self._draw_parts(rng, self.whole(rng), self.stems)

    def _draw_parts(
        self, rng: np.random.Generator, track: Track, stems: Sequence[str]
    ) -> list[_Part]:
        timing, rate = draw_timing(rng, self.augment), track.sample_rate
        start = int(rng.integers(max(0, track.samples - self._needed(timing)) + 1))
        return [
            _Part(
                track=track,
                stem=stem,
                start=start,
                timing=timing,
                colour=draw_colour(rng, self.augment, sample_rate=rate),
            )
            for stem in stems
        ]

    def _draw_heard(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        count = len(self.stems)
        heard = rng.random(count) >= self.config.silence
        if count > 1 and rng.random() < self.config.absent:
            heard[rng.permutation(count)[: rng.integers(1, count)]] = False
        return heard

    def _played(self, plan: _Plan) -> NDArray[np.float32]:
        """Return the stems of an example, ``(stems, 2, samples)``."""
        example = np.zeros((len(self.stems), 2, self.samples), np.float32)
        for stem, parts, gain in zip(example, plan.parts, plan.gain, strict=True):
            for part in parts:
                stem += gain * self._excerpt(part)
        if plan.limit_db:
            mixture = example.sum(0)
            ceiling = np.abs(mixture).max() * 10 ** (-plan.limit_db / 20) + 1e-6
            example *= limiter_gain(mixture, ceiling=ceiling, sample_rate=self.sample_rate)
        return example

    def _excerpt(self, part: _Part) -> NDArray[np.float32]:
        track, timing = part.track, part.timing
        excerpt = track.excerpt(part.stem, part.start, self._needed(timing))
        if timing != Timing():
            excerpt = stretch(
                excerpt,
                pitch=timing.pitch,
                tempo=timing.tempo,
                sample_rate=track.sample_rate,
                samples=self.samples,
            )
        return coloured(excerpt, part.colour, sample_rate=track.sample_rate)

    def _needed(self, timing: Timing) -> int:
        if timing == Timing():
            return self.samples
        return source_samples(self.samples, tempo=timing.tempo)


class _Draw:
    """Draws one of the tracks that have all of ``stems``, each with its chance."""

    def __init__(self, chances: Sequence[tuple[Track, float]], stems: Sequence[str]) -> None:
        having = [pair for pair in chances if set(stems) <= pair[0].stems.keys()]
        if not having:
            raise DatasetError(f"no track has {', '.join(stems)}: nothing to train on")
        self.tracks = [track for track, _ in having]
        weights = np.array([weight for _, weight in having])
        self.edges = np.cumsum(weights / weights.sum())[:-1]

    def __call__(self, rng: np.random.Generator) -> Track:
        return self.tracks[int(np.searchsorted(self.edges, rng.random(), side="right"))]
