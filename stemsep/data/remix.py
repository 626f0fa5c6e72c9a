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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemsep.data.augment import AugmentConfig, Colour, Timing, coloured, draw_colour, draw_timing
from stemsep.data.codec import CODECS, Codec, recode
from stemsep.data.effects import limiter_gain
from stemsep.data.stretch import source_samples, stretch
from stemsep.data.track import Track
from stemsep.errors import DatasetError, ParameterError

__all__ = ["Example", "RemixConfig", "RemixSampler"]


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
        codec: probability that the mixture, as the network hears it, was an MP3 or AAC file.
        codec_kbps: fewest and most thousands of bits a second.

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
    codec: float = 0.0
    codec_kbps: tuple[int, int] = (64, 256)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec_kbps", tuple(self.codec_kbps))
        for name in ("remix", "silence", "absent", "chorus", "limit", "codec"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it is a probability, 0 to 1")
        for name in ("gain_db", "mixture_gain_db", "limit_db"):
            if not 0 <= getattr(self, name) <= 100:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 0 to 100 dB")
        if not 32 <= self.codec_kbps[0] <= self.codec_kbps[1] <= 320:
            raise ParameterError(f"codec_kbps = {self.codec_kbps}: give (fewest, most), 32 to 320")


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
class _Part:
    """An excerpt of one stem of one track, or of its mixture, and how it is changed."""

    track: Track
    stem: str | None
    start: int
    timing: Timing
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What an example is made of: of each stem its parts, none where it is silent.

    Attributes:
        parts: see above; none at all for a song without stems.
        song: an excerpt of a song without stems.
        reliable: of each stem, whether it is one to learn from.
        gain: of each stem.
        limit_db: by how much the mixture is limited.
        codec: what the mixture goes through, and at how many kbit/s.
    """

    parts: Sequence[Sequence[_Part]]
    song: _Part | None
    reliable: Sequence[bool]
    gain: NDArray[np.float32]
    limit_db: float
    codec: tuple[Codec, int] | None

    @property
    def heard(self) -> list[_Part]:
        """All parts."""
        return [self.song] if self.song else [part for parts in self.parts for part in parts]


class RemixSampler:
    """Draws excerpts from weighted groups of tracks.

    Args:
        sources: ``(tracks, weight)``: a song's chance is its source's weight, shared evenly with
            the source's other songs. Songs without stems are never remixed.
        stems: names, in the order of the examples.
        samples: length of an excerpt.
        config: what an excerpt is made of.
        augment: how its stems are varied.
        seed: of everything random here.

    Raises:
        DatasetError: no track has one of the stems, to be learned from.
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
        chance = [(track, weight / len(tracks)) for tracks, weight in sources for track in tracks]
        total = sum(weight for _, weight in chance)
        bare = [(track, weight) for track, weight in chance if not track.stems]
        labelled = [(track, weight) for track, weight in chance if track.stems]
        self.bare = _Draw(bare) if bare else None
        self.bare_share = sum(weight for _, weight in bare) / total
        complete = [(track, weight) for track, weight in labelled if track.complete]
        self.whole = _Draw(complete) if complete else None
        self.having = [_Draw(_learnable(labelled, stem)) for stem in self.stems]
        self.sample_rate = chance[0][0].sample_rate

    def example(self, step: int, place: int) -> Example:
        """Return the example at one place of a step's batch."""
        plan = self._plan(step, place)
        stems, mixture = self._played(plan)
        if plan.codec:
            codec, kbps = plan.codec
            mixture = recode(mixture, codec=codec, kbps=kbps, sample_rate=self.sample_rate)
        return Example(stems, mixture, np.array(plan.reliable, np.float32))

    def sources(self, step: int, examples: range) -> list[str]:
        """Return the names of the tracks that these examples of a step come from, each once."""
        heard = (part.track.name for i in examples for part in self._plan(step, i).heard)
        return list(dict.fromkeys(heard))

    def _plan(self, step: int, place: int) -> _Plan:
        rng, config = np.random.default_rng([self.seed, step, place]), self.config
        song, layers = None, []
        if self.bare and rng.random() < self.bare_share:
            (song,) = self._draw_parts(rng, self.bare(rng), [None])
        else:
            remix = self.whole is None or rng.random() < config.remix
            layers = [self._draw_layer(rng, remix) for _ in range(1 + _is(rng, config.chorus))]
        gain_db = rng.uniform(-config.gain_db, config.gain_db, len(self.stems))
        gain_db += rng.uniform(-config.mixture_gain_db, config.mixture_gain_db)
        heard = self._draw_heard(rng)
        everything = list(zip(*layers, strict=True)) or [()] * len(self.stems)
        return _Plan(
            parts=[parts if there else () for parts, there in zip(everything, heard, strict=True)],
            song=song,
            # Also of a stem left out: what it should have had may be heard in another one.
            reliable=[song is None and all(map(_is_good, p)) for p in everything],
            gain=(10 ** (gain_db / 20)).astype(np.float32),
            limit_db=rng.uniform(0, config.limit_db) if _is(rng, config.limit) else 0.0,
            codec=self._draw_codec(rng) if _is(rng, config.codec) else None,
        )

    def _draw_layer(self, rng: np.random.Generator, remix: bool) -> list[_Part]:
        """Return a part of each stem: of songs of their own, or of one moment of one song."""
        if self.whole is not None and not remix:
            return self._draw_parts(rng, self.whole(rng), self.stems)
        drawn = ((draw(rng), stem) for draw, stem in zip(self.having, self.stems, strict=True))
        return [part for track, stem in drawn for part in self._draw_parts(rng, track, [stem])]

    def _draw_parts(
        self, rng: np.random.Generator, track: Track, stems: Sequence[str | None]
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
        if count > 1 and _is(rng, self.config.absent):
            heard[rng.permutation(count)[: rng.integers(1, count)]] = False
        return heard

    def _draw_codec(self, rng: np.random.Generator) -> tuple[Codec, int]:
        low, high = self.config.codec_kbps
        return list(CODECS)[rng.integers(len(CODECS))], int(rng.integers(low, high + 1))

    def _played(self, plan: _Plan) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the stems ``(stems, 2, samples)`` and the mixture ``(2, samples)``."""
        stems = np.zeros((len(self.stems), 2, self.samples), np.float32)
        for stem, parts, gain in zip(stems, plan.parts, plan.gain, strict=True):
            for part in parts:
                stem += gain * self._excerpt(part)
        mixture = plan.gain[0] * self._excerpt(plan.song) if plan.song else stems.sum(0)
        if plan.limit_db:
            ceiling = np.abs(mixture).max() * 10 ** (-plan.limit_db / 20) + 1e-6
            gain = limiter_gain(mixture, ceiling=ceiling, sample_rate=self.sample_rate)
            stems, mixture = stems * gain, mixture * gain
        return stems, mixture

    def _excerpt(self, part: _Part) -> NDArray[np.float32]:
        track, timing, needed = part.track, part.timing, self._needed(part.timing)
        if part.stem is None:
            excerpt = track.mixed(part.start, needed)
        else:
            excerpt = track.excerpt(part.stem, part.start, needed)
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


def _is(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _is_good(part: _Part) -> bool:
    return part.stem not in part.track.unreliable


def _learnable(chances: Sequence[tuple[Track, float]], stem: str) -> list[tuple[Track, float]]:
    having = [(t, weight) for t, weight in chances if stem in t.stems and stem not in t.unreliable]
    if not having:
        raise DatasetError(f"no track has {stem}: nothing to train on")
    return having


class _Draw:
    """Draws one of the tracks, each with its chance."""

    def __init__(self, chances: Sequence[tuple[Track, float]]) -> None:
        self.tracks = [track for track, _ in chances]
        weights = np.array([weight for _, weight in chances])
        self.edges = np.cumsum(weights / weights.sum())[:-1]

    def __call__(self, rng: np.random.Generator) -> Track:
        return self.tracks[int(np.searchsorted(self.edges, rng.random(), side="right"))]
