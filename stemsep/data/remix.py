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

from stemsep.data.augment import AS_IT_IS, AugmentConfig, Timing, draw_colour, draw_timing
from stemsep.data.codec import CODECS, Codec
from stemsep.data.matching import analyse, matched
from stemsep.data.playing import Example, Part, Plan, needed_samples, play
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
        partly: probability that a stem is heard in a part of the excerpt only, for each stem.
        chorus: probability that each stem is two at once: as dense as a loud chorus.
        limit: probability that the whole excerpt is limited, as loud records are.
        limit_db: by at most so much, at its loudest.
        codec: probability that the mixture, as the network hears it, was an MP3 or AAC file.
        codec_kbps: fewest and most thousands of bits a second.
        match_tempo: probability that the songs of a remix are brought to the tempo of one of them.
        match_key: probability that they are brought to its key, drums apart. Both need librosa,
            and some seconds a song before training starts.

    Raises:
        ParameterError: a probability or range that cannot be.
    """

    remix: float = 0.75
    gain_db: float = 6.0
    mixture_gain_db: float = 4.0
    silence: float = 0.05
    absent: float = 0.0
    partly: float = 0.0
    chorus: float = 0.0
    limit: float = 0.0
    limit_db: float = 9.0
    codec: float = 0.0
    codec_kbps: tuple[int, int] = (64, 256)
    match_tempo: float = 0.0
    match_key: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec_kbps", tuple(self.codec_kbps))
        for name in PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it is a probability, 0 to 1")
        for name in ("gain_db", "mixture_gain_db", "limit_db"):
            if not 0 <= getattr(self, name) <= 100:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 0 to 100 dB")
        if not 32 <= self.codec_kbps[0] <= self.codec_kbps[1] <= 320:
            raise ParameterError(f"codec_kbps = {self.codec_kbps}: give (fewest, most), 32 to 320")


PARTLY = 0.1, 0.7
"""What part of an excerpt a stem that is not always there is heard in."""

PROBABILITIES = (
    *("remix", "silence", "absent", "partly", "chorus", "limit", "codec"),
    *("match_tempo", "match_key"),
)


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
        learned = self.stems if labelled else ()  # a teacher may be all there is
        self.having = [_Draw(_learnable(labelled, stem)) for stem in learned]
        self.sample_rate = chance[0][0].sample_rate
        matching = config.match_tempo or config.match_key
        self.music = {id(track): analyse(track) for track, _ in labelled} if matching else {}

    def example(self, step: int, place: int) -> Example:
        """Return the example at one place of a step's batch."""
        plan = self._plan(step, place)
        return play(plan, samples=self.samples, sample_rate=self.sample_rate)

    def sources(self, step: int, examples: range) -> list[str]:
        """Return the names of the tracks that these examples of a step come from, each once."""
        heard = (part.track.name for i in examples for part in self._plan(step, i).heard)
        return list(dict.fromkeys(heard))

    def _plan(self, step: int, place: int) -> Plan:
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
        return Plan(
            parts=[parts if there else () for parts, there in zip(everything, heard, strict=True)],
            song=song,
            # Also of a stem left out: what it should have had may be heard in another one.
            reliable=[song is None and all(map(_is_good, p)) for p in everything],
            gain=(10 ** (gain_db / 20)).astype(np.float32),
            limit_db=rng.uniform(0, config.limit_db) if _is(rng, config.limit) else 0.0,
            codec=self._draw_codec(rng) if _is(rng, config.codec) else None,
            spans=[self._draw_span(rng) for _ in self.stems],
        )

    def _draw_layer(self, rng: np.random.Generator, remix: bool) -> list[Part]:
        """Return a part of each stem: of songs of their own, or of one moment of one song."""
        if self.whole is not None and not remix:
            return self._draw_parts(rng, self.whole(rng), self.stems)
        tracks = [draw(rng) for draw in self.having]
        timings = self._draw_matches(rng, tracks)
        return [
            part
            for track, stem, timing in zip(tracks, self.stems, timings, strict=True)
            for part in self._draw_parts(rng, track, [stem], timing)
        ]

    def _draw_matches(self, rng: np.random.Generator, tracks: Sequence[Track]) -> list[Timing]:
        """Return what brings the tracks of a remix together, as far as they are to be."""
        tempo = _is(rng, self.config.match_tempo)
        key = _is(rng, self.config.match_key)
        if not (tempo or key):
            return [AS_IT_IS] * len(tracks)
        leader = self.music[id(tracks[int(rng.integers(len(tracks)))])]
        return [
            matched(self.music[id(track)], leader, tempo=tempo, key=key and stem != "drums")
            for track, stem in zip(tracks, self.stems, strict=True)
        ]

    def _draw_parts(
        self,
        rng: np.random.Generator,
        track: Track,
        stems: Sequence[str | None],
        match: Timing = AS_IT_IS,
    ) -> list[Part]:
        drawn, rate = draw_timing(rng, self.augment), track.sample_rate
        timing = drawn if match == AS_IT_IS else match
        start = int(rng.integers(max(0, track.samples - needed_samples(self.samples, timing)) + 1))
        return [
            Part(
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

    def _draw_span(self, rng: np.random.Generator) -> tuple[float, float]:
        """Return where a stem begins and ends, in parts of the excerpt."""
        if not _is(rng, self.config.partly):
            return 0.0, 1.0
        length = rng.uniform(*PARTLY)
        # As often as not it is there from the start, or up to the end.
        start = float(np.clip(rng.uniform(-0.5, 1.5), 0, 1)) * (1 - length)
        return start, start + length

    def _draw_codec(self, rng: np.random.Generator) -> tuple[Codec, int]:
        low, high = self.config.codec_kbps
        return list(CODECS)[rng.integers(len(CODECS))], int(rng.integers(low, high + 1))


def _is(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _is_good(part: Part) -> bool:
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
