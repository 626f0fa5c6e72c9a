"""Tempo and key of a track, and what brings one track to another's: for remixes that fit together.

Tempo and chroma come from librosa (extra `plot`); the key from the chroma's likeness to the
profiles for major and minor of C. Krumhansl, "Cognitive foundations of musical pitch", 1990,
table 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemsep.data.augment import Timing
from stemsep.data.track import Track
from stemsep.errors import require

__all__ = ["Music", "analyse", "matched"]

SECONDS = 30
"""As much of a track is listened to, from its middle."""

WINDOW = 8192

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
WIDEST = math.sqrt(2)
"""No tempo is changed by more than this factor: half or double the beats fit as well."""


@dataclass(frozen=True, kw_only=True)
class Music:
    """What matters for how two tracks go together.

    Attributes:
        tempo_bpm: beats a minute; 0 where none are heard.
        key: semitones above C of the major key with the same notes; None without pitched stems.
    """

    tempo_bpm: float
    key: int | None


def analyse(track: Track) -> Music:
    """Return the tempo and key of a track.

    Raises:
        MissingExtraError: librosa is not installed.
    """
    librosa = require("librosa", extra="plot")
    rate = track.sample_rate
    samples = min(track.samples, SECONDS * rate)
    start = (track.samples - samples) // 2
    mixture = track.mixed(start, samples).mean(0)
    heard = samples > rate and mixture.any()
    tempo = librosa.feature.tempo(y=mixture, sr=rate) if heard else np.zeros(1)
    pitched = [stem for stem in track.stems if stem != "drums"]
    sound = np.zeros((2, samples), np.float32)
    for stem in pitched:
        sound += track.excerpt(stem, start, samples)
    return Music(tempo_bpm=float(tempo[0]), key=_key(sound.mean(0), rate))


def matched(music: Music, other: Music, *, tempo: bool, key: bool) -> Timing:
    """Return how to play ``music`` so that it goes with ``other``.

    Args:
        music: of the track to be changed.
        other: of the track to go with.
        tempo: whether to change the tempo.
        key: whether to change the pitch, by at most six semitones.
    """
    speed, semitones = 1.0, 0
    if tempo and music.tempo_bpm and other.tempo_bpm:
        octaves = math.log2(other.tempo_bpm / music.tempo_bpm)
        speed = min(max(2 ** (octaves - round(octaves)), 1 / WIDEST), WIDEST)
    if key and music.key is not None and other.key is not None:
        semitones = (other.key - music.key + 6) % 12 - 6
    return Timing(pitch=2 ** (semitones / 12), tempo=speed)


def _key(waveform: NDArray[np.float32], sample_rate: int) -> int | None:
    librosa = require("librosa", extra="plot")
    if len(waveform) < WINDOW or not waveform.any():
        return None
    chroma = librosa.feature.chroma_stft(y=waveform, sr=sample_rate, n_fft=WINDOW, tuning=0.0).mean(
        1
    )
    likeness = [
        [np.corrcoef(np.roll(profile, tonic), chroma)[0, 1] for tonic in range(12)]
        for profile in (MAJOR, MINOR)
    ]
    minor, tonic = np.unravel_index(int(np.argmax(likeness)), (2, 12))
    return int(tonic + 3 * minor) % 12  # A minor has the notes of C major
