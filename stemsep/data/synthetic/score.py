"""What is to be played: notes, the parts that they belong to, the score of a whole song."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

__all__ = ["PERCUSSION", "Note", "Part", "Role", "Score", "sound_of"]

Role: TypeAlias = Literal[
    "drums", "bass", "chords", "pad", "arpeggio", "riff", "vocals", "harmony", "double"
]
"""What a part does in the song; decides the instruments that may play it."""


class Note(NamedTuple):
    """One note or drum stroke.

    Args:
        start: in the units of its owner: beats while composing, seconds in a `Score`.
        length: in the same units.
        pitch: MIDI number, 60 is c4; for drums the number of General MIDI's percussion map.
        velocity: 0 to 1.
    """

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one player plays.

    Args:
        role: what it does.
        stem: where it is heard: vocals, drums, bass or other.
        notes: by start.
        plucked: the notes of a chord follow each other as under a plectrum.
    """

    role: Role
    stem: str
    notes: tuple[Note, ...]
    plucked: bool = False


@dataclass(frozen=True, kw_only=True)
class Score:
    """A composed song, times in seconds.

    Args:
        tempo: beats a minute.
        metre: beats a bar.
        key: for people, such as "f# minor".
        seconds: length.
        parts: who plays what.
    """

    tempo: float
    metre: int
    key: str
    seconds: float
    parts: tuple[Part, ...]


PERCUSSION: dict[str, tuple[int, ...]] = {
    "kick": (36, 35),
    "snare": (38, 40),
    "sidestick": (37,),
    "clap": (39,),
    "hihat_closed": (42, 22),
    "hihat_foot": (44,),
    "hihat_open": (46, 26),
    "tom_low": (43, 41, 58),
    "tom_mid": (45, 47),
    "tom_high": (48, 50),
    "crash": (49, 57, 52, 55),
    "ride": (51, 59),
    "ride_bell": (53,),
    "tambourine": (54,),
    "cowbell": (56,),
    "conga": (63, 62, 64, 60, 61, 65, 66),
    "shaker": (70, 69, 82),
    "perc": (76, 75, 77, 67, 68),
}
"""Sound -> its numbers in General MIDI's percussion map (and in electronic kits that extend it)."""

SOUNDS = {number: sound for sound, numbers in PERCUSSION.items() for number in numbers}


def sound_of(number: int) -> str:
    """Return the sound of a percussion number; "perc" for those that have no sound here."""
    return SOUNDS.get(number, "perc")


def to_seconds(
    notes: Iterable[Note],
    *,
    tempo: float,
    swing: float,
    looseness: float,
    rng: np.random.Generator,
) -> tuple[Note, ...]:
    """Return notes in beats as notes in seconds, swung and as loose as a person plays.

    Args:
        notes: times in beats.
        tempo: beats a minute.
        swing: 0.5 (even) to 0.67 (triplets): where the second eighth of a beat lies.
        looseness: standard deviation of the starts, seconds.
        rng: of the looseness.
    """
    beat_seconds = 60 / tempo
    lag = rng.normal(0, 0.4 * looseness)  # a player is before or behind the beat as a habit
    played = []
    for note in notes:
        start = _swung(note.start, swing) * beat_seconds
        end = _swung(note.start + note.length, swing) * beat_seconds
        late = lag + rng.normal(0, looseness)
        velocity = float(np.clip(note.velocity + rng.normal(0, 0.05), 0.05, 1))
        played.append(Note(max(0.0, start + late), end - start, note.pitch, velocity))
    return tuple(sorted(played))


def _swung(beat: float, swing: float) -> float:
    whole, part = divmod(beat, 1.0)
    if part < 0.5:
        return whole + part * 2 * swing
    return whole + swing + (part - 0.5) * 2 * (1 - swing)
