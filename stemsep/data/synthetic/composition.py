"""A seed -> the score of a song: tempo, key, sections, and what each part plays in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemsep.data.synthetic import lines
from stemsep.data.synthetic.grooves import Groove, draw_groove, play_groove
from stemsep.data.synthetic.harmony import Chord, Key, draw_key, draw_progression
from stemsep.data.synthetic.score import Note, Part, Role, Score, to_seconds

__all__ = ["compose"]

BASS_STYLES = ("held", "rhythm", "rhythm", "eighths", "octaves", "fifths", "walking")

SWINGING = 0.55
"""A groove that swings more than this takes the other parts along."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Some bars in which the same players play.

    Args:
        start: in bars.
        chords: one a bar.
        energy: 0 to 1.
        chorus: the voices are doubled and in harmony.
        silent: stems that pause.
    """

    start: int
    chords: tuple[Chord, ...]
    energy: float
    chorus: bool
    silent: frozenset[str]


def compose(
    rng: np.random.Generator,
    *,
    seconds: float,
    tempo: float | None = None,
    metre: int | None = None,
    drums: bool = True,
) -> Score:
    """Return a song.

    Args:
        rng: of everything.
        seconds: length; notes may last longer.
        tempo: beats a minute, 60 to 180 if it is to be drawn.
        metre: beats a bar, if not to be drawn.
        drums: False leaves the drums out, as they come from elsewhere.
    """
    groove = _draw_fitting_groove(rng, tempo, metre)
    if tempo is None:
        tempo = float(rng.uniform(*groove.tempo))
    metre = groove.metre if metre is None else metre
    key = draw_key(rng)
    bars = math.ceil(seconds * tempo / 60 / metre)
    sections = _draw_sections(bars, key, rng)
    parts: list[Part] = []
    if drums:
        parts.append(_drum_part(sections, groove, rng))
    parts.append(_bass_part(sections, metre, rng))
    parts += _accompaniment(sections, key, metre, rng)
    parts += _voices(sections, key, metre, tempo, rng)
    swing = groove.swing if groove.swing > SWINGING else 0.5
    return Score(
        tempo=tempo,
        metre=metre,
        key=str(key),
        seconds=seconds,
        parts=tuple(
            _timed(part, tempo, groove.swing if part.role == "drums" else swing, rng)
            for part in parts
            if part.notes
        ),
    )


def _draw_fitting_groove(
    rng: np.random.Generator, tempo: float | None, metre: int | None
) -> Groove:
    for _ in range(50):
        groove = draw_groove(rng, tempo)
        if metre is None or groove.metre == metre:
            break
    return groove


def _draw_sections(bars: int, key: Key, rng: np.random.Generator) -> list[Section]:
    richness = float(rng.choice([0.05, 0.3, 0.7]))
    progressions = [draw_progression(key, richness, rng) for _ in range(2)]
    bars_a_chord = int(rng.choice([1, 1, 1, 2]))
    sections: list[Section] = []
    start = 0
    while start < bars:
        chorus = bool(rng.random() < 0.4)
        length = int(rng.choice([4, 8, 8])) if bars > 8 else bars
        progression = progressions[int(chorus)]
        chords = tuple(
            progression[(bar // bars_a_chord) % len(progression)] for bar in range(length)
        )
        energy = float(rng.uniform(0.65, 1.0) if chorus else rng.uniform(0.2, 0.9))
        sections.append(
            Section(
                start=start,
                chords=chords,
                energy=energy,
                chorus=chorus,
                silent=_draw_silent(chorus, rng),
            )
        )
        start += length
    return sections


def _draw_silent(chorus: bool, rng: np.random.Generator) -> frozenset[str]:
    if chorus:
        return frozenset()
    chances = {"vocals": 0.25, "drums": 0.12, "bass": 0.12, "other": 0.06}
    silent = [stem for stem, chance in chances.items() if rng.random() < chance]
    return frozenset(silent[:2])


def _drum_part(sections: Sequence[Section], groove: Groove, rng: np.random.Generator) -> Part:
    notes: list[Note] = []
    for section in sections:
        if "drums" in section.silent:
            continue
        played = play_groove(
            groove,
            bars=len(section.chords),
            energy=section.energy,
            fill=bool(rng.random() < 0.7),
            crash=bool(rng.random() < 0.3 + 0.4 * section.chorus),
            rng=rng,
        )
        notes += _moved(played, section.start * groove.metre)
    return Part(role="drums", stem="drums", notes=tuple(notes))


def _bass_part(sections: Sequence[Section], metre: int, rng: np.random.Generator) -> Part:
    styles = rng.choice(BASS_STYLES, 2)
    rhythms = [lines.draw_rhythm(metre, density, rng) for density in (0.3, 0.6)]
    low = int(rng.choice([28, 31, 33, 36, 38]))  # from e1
    notes: list[Note] = []
    for section in sections:
        if "bass" in section.silent:
            continue
        style, rhythm = str(styles[int(section.chorus)]), rhythms[int(section.chorus)]
        line = lines.bass_line(section.chords, metre, style, rhythm, low, rng)
        notes += _moved(line, section.start * metre)
    return Part(role="bass", stem="bass", notes=tuple(notes))


def _accompaniment(
    sections: Sequence[Section], key: Key, metre: int, rng: np.random.Generator
) -> list[Part]:
    roles: list[Role] = ["chords", "pad", "arpeggio", "riff", "chords"]
    chances = [0.9, 0.5, 0.4, 0.45, 0.45]
    chosen = [role for role, chance in zip(roles, chances, strict=True) if rng.random() < chance]
    parts = []
    for number, role in enumerate(chosen or roles[:1]):
        player = _draw_player(role, key, metre, rng)
        notes: list[Note] = []
        for section in sections:
            # Quiet sections have fewer players; the first one plays on.
            if "other" in section.silent or (number and rng.random() > 0.35 + section.energy):
                continue
            notes += _moved(player.play(section, rng), section.start * metre)
        plucked = role == "chords" and bool(rng.random() < 0.5)
        parts.append(
            Part(role=role, stem="other", notes=tuple(notes), plucked=player.power or plucked)
        )
    return parts


@dataclass(frozen=True, kw_only=True)
class _Player:
    """Who plays one role, in the same way in each section; see `_draw_player`."""

    role: Role
    key: Key
    metre: int
    power: bool
    low: int
    rhythm: lines.Rhythm
    step: float
    order: str

    def play(self, section: Section, rng: np.random.Generator) -> list[Note]:
        """Return the notes of a section, in beats from its start."""
        chords, metre, low = section.chords, self.metre, self.low
        if self.role == "pad":
            return lines.pad(chords, metre, low)
        if self.role == "arpeggio":
            return lines.arpeggio(chords, metre, self.step, self.order, low)
        if self.role == "riff":
            density = float(rng.uniform(0.3, 0.9))
            return lines.melody(
                chords, self.key, metre, low=low + 7, high=low + 24, density=density, rng=rng
            )
        return lines.chord_rhythm(chords, metre, self.rhythm, low, power=self.power)


def _draw_player(role: Role, key: Key, metre: int, rng: np.random.Generator) -> _Player:
    power = role == "chords" and bool(rng.random() < 0.3)
    held = float(rng.choice([0.3, 0.7, 0.95]))
    return _Player(
        role=role,
        key=key,
        metre=metre,
        power=power,
        low=int(rng.integers(36, 46) if power else rng.integers(48, 66)),
        rhythm=lines.draw_rhythm(metre, float(rng.uniform(0.1, 0.8)), rng, held=held),
        step=float(rng.choice([0.25, 0.5, 0.5, 1 / 3])),
        order=str(rng.choice(["up", "down", "both"])),
    )


def _voices(
    sections: Sequence[Section], key: Key, metre: int, tempo: float, rng: np.random.Generator
) -> list[Part]:
    low = int(rng.choice([46, 50, 53, 55, 57, 59, 61]))  # bass to soprano
    # Slow songs have room for more syllables a beat.
    density = float(np.clip(rng.uniform(0.1, 0.9) + (100 - tempo) / 250, 0, 1))
    lead: list[Note] = []
    chorus: list[Note] = []
    for section in sections:
        if "vocals" in section.silent:
            continue
        lift = 3 if section.chorus else 0
        tune = lines.melody(
            section.chords,
            key,
            metre,
            low=low + lift,
            high=low + lift + int(rng.integers(9, 16)),
            density=density,
            rng=rng,
        )
        lead += _moved(tune, section.start * metre)
        if section.chorus:
            chorus += _moved(tune, section.start * metre)
    parts = [Part(role="vocals", stem="vocals", notes=tuple(lead))]
    if rng.random() < 0.4:
        steps = int(rng.choice([2, -3, -5, 4]))
        notes = tuple(lines.harmony_line(chorus, key, steps))
        parts.append(Part(role="harmony", stem="vocals", notes=notes))
    if rng.random() < 0.5:
        notes = tuple(lead if rng.random() < 0.4 else chorus)
        parts.append(Part(role="double", stem="vocals", notes=notes))
    return parts


def _moved(notes: Sequence[Note], beats: float) -> list[Note]:
    return [note._replace(start=note.start + beats) for note in notes]


def _timed(part: Part, tempo: float, swing: float, rng: np.random.Generator) -> Part:
    # A chord is struck at one time: its notes are loose together, which strumming then spreads.
    looseness = float(rng.choice([0.0, 0.004, 0.009, 0.014]))
    if part.role in ("pad", "arpeggio"):
        looseness *= 0.5
    notes = to_seconds(part.notes, tempo=tempo, swing=swing, looseness=looseness, rng=rng)
    return Part(role=part.role, stem=part.stem, notes=notes, plucked=part.plucked)
