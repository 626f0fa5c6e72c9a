"""Folders of samples -> instruments and drum kits.

The names tell what a file is. Words are separated by ``_``, ``-`` or spaces: a note such as ``c4``
or ``gb2`` (scientific pitch, c4 is MIDI 60), a dynamic from ``ppp`` to ``fff``, a round robin
``rr2``; what is left names the articulation. Drums have no note but a word such as ``kick``,
``snare``, ``hihat``. A folder is one instrument for each of its articulations, or one kit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.audio.read import read_audio
from stemsep.data.synthetic.oscillators import Floats
from stemsep.errors import DatasetError

__all__ = ["Library", "Sample", "SampledInstrument", "SampledKit", "find_samples", "sampled_tone"]

NOTE = re.compile(r"([a-g])(b|#|s)?(\d)")
ROUND_ROBIN = re.compile(r"rr\d+|\d+")
DYNAMICS = {
    word: (i + 1) / 9 for i, word in enumerate(["ppp", "pp", "p", "mp", "mf", "f", "ff", "fff"])
}
SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

REACH = 7
"""Semitones that an instrument plays beyond its lowest and highest sample."""

LONGEST_SECONDS = 6.0

DRUM_WORDS: tuple[tuple[str, str], ...] = (
    ("hihat|hat|hh", "hihat"),
    ("cymbal (closed|pedal|foot)", "hihat"),
    ("cymbal open", "hihat_open"),
    ("ride bell", "ride_bell"),
    ("ride", "ride"),
    ("crash|splash|china|cymbal", "crash"),
    ("kick|bd|bassdrum|bass drum|drum bass", "kick"),
    ("sidestick|rim|stick|cross", "sidestick"),
    ("snare|sn|sd|rimshot|roll", "snare"),
    ("clap|snap", "clap"),
    ("tom (hi|high)", "tom_high"),
    ("tom (lo|low|floor)", "tom_low"),
    ("tom", "tom_mid"),
    ("tambourine|tamb|jingle", "tambourine"),
    ("cowbell", "cowbell"),
    ("conga|bongo|tabla|djembe|timbale", "conga"),
    ("shaker|maracas|cabasa", "shaker"),
    ("perc|elec|woodblock|clave|block|triangle|agogo", "perc"),
)
"""Words in a file's name, in the order in which they are looked for -> sound."""

STEM_WORDS = (
    (re.compile(r"bass(?!oon)"), "bass"),
    (re.compile(r"voice|vocal|choir|vox|sing"), "vocals"),
)
"""What a folder's name says about the stem; all else is "other"."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file and what its name says.

    Args:
        path: of the file.
        pitch: MIDI number; for drums 0.
        dynamic: 0 to 1; 0.6 if the name says nothing.
    """

    path: Path
    pitch: int
    dynamic: float


@dataclass(frozen=True, kw_only=True)
class SampledInstrument:
    """Notes of one instrument in one articulation.

    Args:
        name: of its folder, and the articulation.
        stem: bass, vocals or other.
        samples: by pitch.
    """

    name: str
    stem: str
    samples: tuple[Sample, ...]

    @property
    def range(self) -> tuple[int, int]:
        """Lowest and highest MIDI number that it plays."""
        pitches = [sample.pitch for sample in self.samples]
        return min(pitches) - REACH, max(pitches) + REACH


@dataclass(frozen=True, kw_only=True)
class SampledKit:
    """Strokes of drums.

    Args:
        name: of its folder.
        sounds: a key of `stemsep.data.synthetic.score.PERCUSSION` -> its samples.
    """

    name: str
    sounds: dict[str, tuple[Sample, ...]]


@dataclass(frozen=True, kw_only=True)
class Library:
    """All instruments and kits below some folders."""

    instruments: tuple[SampledInstrument, ...] = ()
    kits: tuple[SampledKit, ...] = ()

    def of_stem(self, stem: str) -> list[SampledInstrument]:
        """Return the instruments of a stem."""
        return [instrument for instrument in self.instruments if instrument.stem == stem]


def find_samples(roots: Sequence[Path]) -> Library:
    """Return the instruments below folders, by their files' names; no file is opened.

    Raises:
        DatasetError: no such folder, or nothing in it that could be played.
    """
    notes: dict[tuple[Path, str], list[Sample]] = defaultdict(list)
    drums: dict[Path, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for root in roots:
        if not root.is_dir():
            raise DatasetError(f"no folder '{root}': give a folder of samples")
        found = False
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in SOUND_SUFFIXES and path.is_file():
                found |= _sort_in(path, notes, drums)
        if not found:
            raise DatasetError(
                f"no samples in '{root}': name files after their note (c4_mf.wav, "
                "sustain_gb2_f_rr1.wav) or drum (kick_1.wav, hihat_open_2.wav)"
            )
    instruments = [
        SampledInstrument(
            name=f"{folder.name} {articulation}".strip(),
            stem=_stem_of(folder.name),
            samples=tuple(sorted(samples, key=lambda s: (s.pitch, s.dynamic, s.path.name))),
        )
        for (folder, articulation), samples in sorted(notes.items())
    ]
    kits = [
        SampledKit(name=folder.name, sounds={sound: tuple(s) for sound, s in sounds.items()})
        for folder, sounds in sorted(drums.items())
        if "kick" in sounds or "snare" in sounds or len(sounds) > 2
    ]
    return Library(instruments=tuple(instruments), kits=tuple(kits))


def _sort_in(
    path: Path,
    notes: dict[tuple[Path, str], list[Sample]],
    drums: dict[Path, dict[str, list[Sample]]],
) -> bool:
    """Put a file where it belongs; return whether its name says where that is."""
    words = re.split(r"[_\-\s]+", path.stem.lower())
    pitches = [match for word in words if (match := NOTE.fullmatch(word))]
    dynamic = next((DYNAMICS[word] for word in words if word in DYNAMICS), 0.6)
    if pitches:
        rest = {
            word
            for word in words
            if not (NOTE.fullmatch(word) or word in DYNAMICS or ROUND_ROBIN.fullmatch(word))
        }
        sample = Sample(path=path, pitch=_midi_number(pitches[0]), dynamic=dynamic)
        notes[path.parent, " ".join(sorted(rest))].append(sample)
        return True
    sound = _drum_of(words)
    if sound is None:
        return False
    drums[path.parent][sound].append(Sample(path=path, pitch=0, dynamic=dynamic))
    return True


def _midi_number(note: re.Match[str]) -> int:
    letter, accidental, octave = note.groups()
    shift = {"b": -1, "#": 1, "s": 1, None: 0}[accidental]
    return 12 * (int(octave) + 1) + SEMITONES[letter] + shift


def _drum_of(words: Sequence[str]) -> str | None:
    name = " ".join(re.sub(r"\d+$", "", word) for word in words)
    for pattern, sound in DRUM_WORDS:
        if re.search(rf"\b({pattern})\b", name):
            if sound != "hihat":
                return sound
            if re.search(r"\b(foot|pedal)\b", name):
                return "hihat_foot"
            return "hihat_open" if re.search(r"\b(open|half)\b", name) else "hihat_closed"
    return None


def _stem_of(name: str) -> str:
    return next((stem for pattern, stem in STEM_WORDS if pattern.search(name.lower())), "other")


def sampled_tone(
    samples: Sequence[Sample], *, pitch: int, velocity: float, take: int, sample_rate: int
) -> Floats:
    """Return a note from the sample that is nearest in pitch and dynamic, shifted to the pitch.

    Args:
        samples: of an instrument, or of one drum (all of pitch 0).
        pitch: MIDI number.
        velocity: 0 to 1.
        take: counts the times that this note was played: equal samples take turns.
        sample_rate: Hz of the result.

    Returns:
        ``(channels, samples)`` with one or two channels, peak 1, as long as the sample.

    Raises:
        AudioFileError: the sample cannot be read.
    """
    distance = [abs(s.pitch - pitch) + 3 * abs(s.dynamic - velocity) for s in samples]
    nearest = min(distance)
    equal = [s for s, d in zip(samples, distance, strict=True) if d < nearest + 1e-6]
    chosen = equal[take % len(equal)]
    wave, rate = _load(chosen.path)
    played_rate = rate * 2 ** ((pitch - chosen.pitch) / 12)
    if abs(played_rate / sample_rate - 1) > 1e-9:
        wave = soxr.resample(wave.T, played_rate, sample_rate, quality="MQ").T
    result: Floats = np.ascontiguousarray(wave).astype(np.float32) / np.float32(32767)
    return result


@lru_cache(maxsize=256)
def _load(path: Path) -> tuple[NDArray[np.int16], int]:
    """Return a sample from its first sound on, at most stereo, peak at full scale, and its rate."""
    waveform, rate = read_audio(path)
    waveform = waveform[:2, : int(LONGEST_SECONDS * rate)]
    loudness = np.abs(waveform).max(0)
    peak = float(loudness.max(initial=0.0))
    if peak == 0:
        return np.zeros((1, 1), np.int16), rate
    # A note should begin when it is struck, not after the recordist's pause.
    start = max(0, int(np.argmax(loudness > 0.02 * peak)) - rate // 1000)
    return (waveform[:, start:] * (32767 / peak)).astype(np.int16), rate
