"""Keys, chords and chord progressions, as in most popular music."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Chord", "Key", "draw_key", "draw_progression"]

NAMES = ("c", "db", "d", "eb", "e", "f", "gb", "g", "ab", "a", "bb", "b")

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones above the tonic."""

PROGRESSIONS = {
    "major": (
        *((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 4, 3), (1, 4, 0, 0), (0, 3, 0, 4)),
        *((0, 2, 3, 4), (3, 4, 2, 5), (0, 4, 3, 0), (0, 0, 3, 3), (3, 0, 4, 5), (1, 4, 0, 5)),
        *((0, 1, 3, 4), (0, 2, 5, 4), (0, 4, 5, 2, 3, 0, 3, 4), (0, 0, 3, 0, 4, 3, 0, 4)),
    ),
    "minor": (
        *((0, 5, 2, 6), (0, 6, 5, 6), (0, 3, 6, 2), (0, 5, 3, 4), (0, 0, 5, 6), (0, 3, 0, 4)),
        *((0, 2, 6, 3), (5, 6, 0, 0), (0, 6, 5, 4), (0, 0, 0, 0), (0, 4, 5, 3), (3, 0, 4, 0)),
        *((0, 5, 6, 4), (0, 0, 3, 3), (0, 5, 2, 6, 3, 0, 6, 4)),
    ),
}
"""Degrees of the chords' roots, the tonic being 0."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A tonic and its scale.

    Args:
        tonic: pitch class, 0 is c.
        mode: a name in ``SCALES``.
    """

    tonic: int
    mode: str

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"

    def pitch(self, degree: int) -> int:
        """Return the MIDI number of a degree, 0 being the tonic in the octave from c4 (60)."""
        octave, step = divmod(degree, 7)
        return 60 + self.tonic + 12 * octave + SCALES[self.mode][step]

    def degree_near(self, pitch: int) -> int:
        """Return the degree whose pitch is nearest."""
        guess = round((pitch - 60 - self.tonic) * 7 / 12)
        return min(range(guess - 2, guess + 3), key=lambda d: abs(self.pitch(d) - pitch))


@dataclass(frozen=True, kw_only=True)
class Chord:
    """Pitch classes that sound together.

    Args:
        root: pitch class of the bass.
        tones: pitch classes, root first.
    """

    root: int
    tones: tuple[int, ...]

    def voiced(self, low: int) -> list[int]:
        """Return MIDI numbers, one a tone, closely above ``low``, rising."""
        return sorted(low + (tone - low) % 12 for tone in self.tones)


def draw_key(rng: np.random.Generator) -> Key:
    """Return a random key; major and minor are the most frequent."""
    mode = rng.choice(list(SCALES), p=[0.4, 0.4, 0.1, 0.1])
    return Key(tonic=int(rng.integers(12)), mode=str(mode))


def draw_progression(key: Key, richness: float, rng: np.random.Generator) -> list[Chord]:
    """Return the chords of a progression.

    Args:
        key: of all of it.
        richness: probability of a seventh, a ninth or a suspended fourth in a chord.
        rng: of the choice.
    """
    family = "major" if key.mode in ("major", "mixolydian") else "minor"
    choices = PROGRESSIONS[family]
    return [_chord(key, degree, richness, rng) for degree in choices[rng.integers(len(choices))]]


def _chord(key: Key, degree: int, richness: float, rng: np.random.Generator) -> Chord:
    steps = [0, 2, 4]
    if rng.random() < richness:
        steps = [[0, 2, 4, 6], [0, 2, 4, 8], [0, 3, 4], [0, 1, 4], [0, 2, 4, 6, 8]][rng.integers(5)]
    pitches = [key.pitch(degree + step) for step in steps]
    if key.mode == "minor" and degree == 4 and rng.random() < 0.5:
        # The dominant of a minor key often borrows the leading tone.
        pitches = [pitch + (pitch % 12 == (key.tonic + 10) % 12) for pitch in pitches]
    return Chord(root=pitches[0] % 12, tones=tuple(pitch % 12 for pitch in pitches))
