"""Tracks -> training batches: random excerpts of stems, remixed across songs and varied.

An example depends on the seed, the step and its place in the batch alone, so that a resumed run
draws what an uninterrupted one would have drawn, and a batch can be drawn in parts. Remixing stems
of different songs is the main lever with little data (S. Uhlich et al., "Improving music source
separation based on deep neural networks through data augmentation and network blending", ICASSP
2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from stemsep.data.track import Track
from stemsep.errors import DatasetError, ParameterError

__all__ = ["RemixConfig", "RemixSampler"]


@dataclass(frozen=True, kw_only=True)
class RemixConfig:
    """How training excerpts are drawn; probabilities in [0, 1].

    Args:
        remix: probability that each stem of an excerpt comes from a song of its own.
        gain_db: each stem's gain is drawn evenly from plus or minus this many dB.
        mixture_gain_db: the same for the whole excerpt.
        swap_channels: probability to swap left and right of a stem.
        flip_polarity: probability to turn a stem's sign.
        silence: probability that a stem is left out.
        speed: probability to play a stem faster or slower (pitch and tempo together).
        speed_range: slowest and fastest factor.

    Raises:
        ParameterError: a probability or range that cannot be.
    """

    remix: float = 0.75
    gain_db: float = 6.0
    mixture_gain_db: float = 4.0
    swap_channels: float = 0.5
    flip_polarity: float = 0.5
    silence: float = 0.05
    speed: float = 0.3
    speed_range: tuple[float, float] = (0.85, 1.18)

    def __post_init__(self) -> None:
        object.__setattr__(self, "speed_range", tuple(self.speed_range))
        for name in ("remix", "swap_channels", "flip_polarity", "silence", "speed"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it is a probability, 0 to 1")
        if not 0 < self.speed_range[0] <= self.speed_range[1]:
            raise ParameterError(f"speed_range = {self.speed_range}: give (slowest, fastest)")


class RemixSampler:
    """Draws batches of stem excerpts from weighted groups of tracks.

    Args:
        sources: ``(tracks, weight)``: a song's chance is its source's weight, shared evenly with
            the source's other songs.
        stems: names, in the order of the batch.
        samples: length of an excerpt.
        config: how to draw.
        seed: of everything random here.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Sequence[Track], float]],
        *,
        stems: Sequence[str],
        samples: int,
        config: RemixConfig,
        seed: int,
    ) -> None:
        self.stems, self.samples, self.config, self.seed = tuple(stems), samples, config, seed
        chance = [(track, weight / len(tracks)) for tracks, weight in sources for track in tracks]
        self.whole = _Draw(chance, self.stems)
        self.having = [_Draw(chance, [stem]) for stem in self.stems]

    def batch(self, step: int, examples: range) -> NDArray[np.float32]:
        """Return the stems of these examples of a step: ``(examples, stems, 2, samples)``."""
        return np.stack([self._example(self._rng(step, i))[0] for i in examples])

    def sources(self, step: int, examples: range) -> list[str]:
        """Return the names of the tracks that these examples of a step come from, each once."""
        drawn = (name for i in examples for name in self._example(self._rng(step, i))[1])
        return list(dict.fromkeys(drawn))

    def _rng(self, step: int, example: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step, example])

    def _example(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], list[str]]:
        """Return ``(stems, 2, samples)`` and the names of the tracks it is made of."""
        config, count = self.config, len(self.stems)
        if rng.random() < config.remix:
            excerpts, names = [], []
            for draw, stem in zip(self.having, self.stems, strict=True):
                track = draw(rng)
                excerpts.append(self._excerpt(rng, track, stem))
                names.append(track.name)
        else:
            track = self.whole(rng)
            names = [track.name]
            start = self._draw_start(rng, track)
            excerpts = [track.excerpt(stem, start, self.samples) for stem in self.stems]
        example = np.stack(excerpts)  # (stems, 2, samples)
        gain = rng.uniform(-config.gain_db, config.gain_db, count)
        gain += rng.uniform(-config.mixture_gain_db, config.mixture_gain_db)
        gain = 10 ** (gain / 20) * np.where(rng.random(count) < config.flip_polarity, -1, 1)
        gain = np.where(rng.random(count) < config.silence, 0, gain)
        swap = rng.random(count) < config.swap_channels
        example[swap] = example[swap, ::-1]
        return example * gain.astype(np.float32)[:, None, None], names

    def _draw_start(self, rng: np.random.Generator, track: Track) -> int:
        return int(rng.integers(max(0, track.samples - self.samples) + 1))

    def _excerpt(self, rng: np.random.Generator, track: Track, stem: str) -> NDArray[np.float32]:
        start = self._draw_start(rng, track)
        if rng.random() >= self.config.speed:
            return track.excerpt(stem, start, self.samples)
        factor = rng.uniform(*self.config.speed_range)
        # A few samples more than needed, as the resampler's length is a rounded one.
        source = track.excerpt(stem, start, math.ceil((self.samples + 16) * factor))
        played = soxr.resample(source.T, factor, 1.0, quality="QQ").T
        return np.ascontiguousarray(played[:, : self.samples], np.float32)


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
