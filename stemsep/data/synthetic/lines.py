"""Chords -> what each player plays: bass lines, chords, pads, arpeggios, riffs, sung melodies.

All times are in beats from the start of the section.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from stemsep.data.synthetic.harmony import Chord, Key
from stemsep.data.synthetic.score import Note

__all__ = [
    "Rhythm",
    "arpeggio",
    "bass_line",
    "chord_rhythm",
    "draw_rhythm",
    "harmony_line",
    "melody",
    "pad",
]

Rhythm: TypeAlias = Sequence[tuple[float, float, float]]
"""One bar: (start in beats, length in beats, velocity)."""


def draw_rhythm(
    metre: int, density: float, rng: np.random.Generator, *, held: float = 0.9
) -> Rhythm:
    """Return a random rhythm of one bar on a grid of eighths or sixteenths.

    Args:
        metre: beats a bar.
        density: 0 to 1: share of the grid that is struck.
        rng: of the choice.
        held: how much of the time to the next note a note lasts.
    """
    step = 0.5 if rng.random() < 0.7 else 0.25
    count = round(metre / step)
    # Beats are likelier than what lies between them.
    strong = np.array([1.0 if (i * step) % 1 == 0 else 0.6 for i in range(count)])
    struck = np.flatnonzero(rng.random(count) < np.clip(strong * (0.25 + density), 0, 1))
    starts = [float(i) * step for i in struck] or [0.0]
    if starts[0] > 0 and rng.random() < 0.7:
        starts = [0.0, *starts]
    ends = [*starts[1:], float(metre)]
    return [
        (start, max(0.1, (end - start) * held), 0.65 + 0.25 * (start % 1 == 0))
        for start, end in zip(starts, ends, strict=True)
    ]


def bass_line(
    chords: Sequence[Chord],
    metre: int,
    style: str,
    rhythm: Rhythm,
    low: int,
    rng: np.random.Generator,
) -> list[Note]:
    """Return a bass line over one chord a bar.

    Args:
        chords: one a bar.
        metre: beats a bar.
        style: "held", "rhythm", "eighths", "octaves", "fifths" or "walking".
        rhythm: of a bar, for the style "rhythm" and "fifths".
        low: the roots lie just above this MIDI number.
        rng: of the variations.
    """
    rhythm = {
        "held": [(0.0, metre * 0.97, 0.85)],
        "eighths": [(i / 2, 0.42, 0.75 + 0.15 * (i % 2 == 0)) for i in range(2 * metre)],
        "octaves": [(i / 2, 0.42, 0.8) for i in range(2 * metre)],
        "walking": [(float(i), 0.92, 0.8) for i in range(metre)],
    }.get(style, rhythm)
    notes: list[Note] = []
    for bar, chord in enumerate(chords):
        root = low + (chord.root - low) % 12
        following = low + (chords[(bar + 1) % len(chords)].root - low) % 12
        for i, (start, length, velocity) in enumerate(rhythm):
            pitch = root
            if i and style == "walking" and i == metre - 1:
                pitch = following + int(rng.choice([-1, 1, 2]))  # a step to the next root
            elif i and style == "walking":
                pitch += int(rng.choice([(tone - chord.root) % 12 for tone in chord.tones]))
            elif i % 2 and style in ("octaves", "fifths"):
                pitch += 12 if style == "octaves" else int(rng.choice([7, 12, 0, 10]))
            elif i and style == "rhythm" and rng.random() < 0.15:
                pitch += int(rng.choice([7, 12, -5, -2]))
            notes.append(Note(bar * metre + start, length, max(26, pitch), velocity))
    return notes


def chord_rhythm(
    chords: Sequence[Chord], metre: int, rhythm: Rhythm, low: int, *, power: bool
) -> list[Note]:
    """Return chords struck in a rhythm, one chord a bar.

    Args:
        chords: one a bar.
        metre: beats a bar.
        rhythm: of each bar.
        low: the chords lie just above this MIDI number.
        power: root, fifth and octave only, as distorted guitars play them.
    """
    notes = []
    for bar, chord in enumerate(chords):
        pitches = chord.voiced(low)
        if power:
            root = low + (chord.root - low) % 12
            pitches = [root, root + 7, root + 12]
        notes += [
            Note(bar * metre + start, length, pitch, velocity)
            for start, length, velocity in rhythm
            for pitch in pitches
        ]
    return notes


def pad(chords: Sequence[Chord], metre: int, low: int) -> list[Note]:
    """Return each chord held for as long as it lasts, with its root below."""
    notes, bar = [], 0
    while bar < len(chords):
        end = bar + 1
        while end < len(chords) and chords[end] == chords[bar]:
            end += 1
        root = low - 12 + (chords[bar].root - low) % 12
        notes += [
            Note(bar * metre, (end - bar) * metre, pitch, 0.7)
            for pitch in (root, *chords[bar].voiced(low))
        ]
        bar = end
    return notes


def arpeggio(chords: Sequence[Chord], metre: int, step: float, order: str, low: int) -> list[Note]:
    """Return broken chords.

    Args:
        chords: one a bar.
        metre: beats a bar.
        step: beats from note to note.
        order: "up", "down" or "both".
        low: the chords lie just above this MIDI number.
    """
    notes = []
    for bar, chord in enumerate(chords):
        pitches = [*chord.voiced(low), *(p + 12 for p in chord.voiced(low)[:2])]
        if order == "down":
            pitches = pitches[::-1]
        elif order == "both":
            pitches += pitches[-2:0:-1]
        for i in range(round(metre / step)):
            pitch = pitches[i % len(pitches)]
            accent = 0.85 if (i * step) % 1 == 0 else 0.65
            notes.append(Note(bar * metre + i * step, step * 0.9, pitch, accent))
    return notes


def melody(
    chords: Sequence[Chord],
    key: Key,
    metre: int,
    *,
    low: int,
    high: int,
    density: float,
    rng: np.random.Generator,
) -> list[Note]:
    """Return a melody in phrases of two bars with rests between, steps more often than leaps.

    The second half of a phrase pair repeats the rhythm of the first: that is what makes a tune.

    Args:
        chords: one a bar.
        key: its scale.
        metre: beats a bar.
        low: lowest MIDI number.
        high: highest.
        density: 0 to 1: how many notes.
        rng: of the choice.
    """
    motifs = [_phrase_rhythm(metre, density, rng) for _ in range(2)]
    notes: list[Note] = []
    degree = key.degree_near(int(rng.integers(low + 3, max(low + 4, high - 3))))
    for bar in range(0, len(chords), 2):
        motif = motifs[(bar // 2) % 2 if rng.random() < 0.8 else 0]
        beats = metre * min(2, len(chords) - bar)
        for start, length, velocity in motif:
            if start >= beats:
                break
            step = int(rng.choice([-2, -1, -1, 0, 0, 1, 1, 2, 4, -3]))
            degree += step
            chord = chords[min(len(chords) - 1, bar + int(start // metre))]
            if start % metre in (0, 2) or length >= 1:
                degree = _nearest_chord_tone(degree, chord, key)
            degree = _within(degree, key, low, high)
            length = min(length, beats - start)
            notes.append(Note(bar * metre + start, length, key.pitch(degree), velocity))
    return notes


def _phrase_rhythm(metre: int, density: float, rng: np.random.Generator) -> Rhythm:
    """Return the rhythm of two bars: notes, then a rest to breathe in."""
    beats = 2.0 * metre
    end = beats - float(rng.choice([0.5, 1, 1.5, 2]))
    lengths = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
    slow = np.array([0.05, 0.2, 0.1, 0.35, 0.15, 0.15])
    fast = np.array([0.3, 0.45, 0.1, 0.12, 0.02, 0.01])
    chances = slow * (1 - density) + fast * density
    start = float(rng.choice([0, 0, 0.5, 1, 0.25]))
    rhythm = []
    while start < end - 0.1:
        length = float(rng.choice(lengths, p=chances / chances.sum()))
        length = min(length, end - start)
        rhythm.append((start, length * 0.97, float(rng.uniform(0.6, 0.95))))
        start += length
    last_start, _, velocity = rhythm[-1]
    rhythm[-1] = (last_start, end - last_start, velocity)
    return rhythm


def _nearest_chord_tone(degree: int, chord: Chord, key: Key) -> int:
    around = sorted(range(degree - 3, degree + 4), key=lambda d: abs(d - degree))
    return next((d for d in around if key.pitch(d) % 12 in chord.tones), degree)


def _within(degree: int, key: Key, low: int, high: int) -> int:
    while key.pitch(degree) > high:
        degree -= 2
    while key.pitch(degree) < low:
        degree += 2
    return degree


def harmony_line(notes: Sequence[Note], key: Key, steps: int) -> list[Note]:
    """Return the melody a third (2 steps of the scale), sixth (-5) … above, in the key."""
    return [
        note._replace(
            pitch=key.pitch(key.degree_near(note.pitch) + steps), velocity=note.velocity * 0.85
        )
        for note in notes
    ]
