"""Drum patterns of the usual styles, varied, with fills."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stemsep.data.synthetic.score import PERCUSSION, Note

__all__ = ["Groove", "draw_groove", "play_groove"]

STEP = 0.25
"""Beats; patterns are in sixteenths."""

STRENGTH = {"x": 0.85, "X": 1.0, "o": 0.55, "g": 0.25}
"""Velocities; "g" is a ghost note."""


@dataclass(frozen=True, kw_only=True)
class Groove:
    """One bar of drums.

    Args:
        name: style.
        swing: what suits it, see `stemsep.data.synthetic.score.to_seconds`.
        tempo: lowest and highest that suit it, beats a minute.
        lines: sound -> one bar in sixteenths, "." where it is silent.
    """

    name: str
    swing: float
    tempo: tuple[int, int]
    lines: dict[str, str] = field(default_factory=dict)

    @property
    def metre(self) -> int:
        """Beats a bar."""
        return len(next(iter(self.lines.values()))) // 4


def _groove(name: str, swing: float, low: int, high: int, **lines: str) -> Groove:
    return Groove(name=name, swing=swing, tempo=(low, high), lines=lines)


GROOVES = (
    _groove(
        *("rock", 0.5, 90, 165),
        kick="X.......X.x.....",
        snare="....X.......X...",
        hihat_closed="x.o.x.o.x.o.x.o.",
    ),
    _groove(
        *("pop", 0.5, 85, 130),
        kick="X.....x.X.......",
        snare="....X.......X..g",
        hihat_closed="x.x.x.x.x.x.x.x.",
        tambourine="..o...o...o...o.",
    ),
    _groove(
        *("ride rock", 0.5, 90, 170),
        kick="X.x.....X.x...x.",
        snare="....X.......X...",
        ride="X.o.X.o.X.o.X.o.",
    ),
    _groove(
        *("four on the floor", 0.5, 112, 136),
        kick="X...X...X...X...",
        clap="....x.......x...",
        snare="....o.......o...",
        hihat_open="..x...x...x...x.",
        hihat_closed="o.ooo.ooo.ooo.oo",
    ),
    _groove(
        *("house shaker", 0.53, 116, 128),
        kick="X...X...X...X...",
        clap="....x.......x..o",
        hihat_open="..x...x...x...x.",
        shaker="xoxoxoxoxoxoxoxo",
    ),
    _groove(
        *("hip-hop", 0.58, 78, 104),
        kick="X.....x..xX.....",
        snare="....X..g.g..X...",
        hihat_closed="x.o.x.o.x.o.x.oo",
    ),
    _groove(
        *("trap", 0.5, 60, 85),
        kick="X.....x....x..x.",
        snare="....X.......X...",
        clap="....x.......x...",
        hihat_closed="xoxoxoxoxoxxxoxo",
    ),
    _groove(
        *("funk", 0.54, 88, 118),
        kick="X..x..x...x..x..",
        snare="....X..g.g.gX..g",
        hihat_closed="xoxoxoxoxoxoxo.o",
        hihat_open="..............x.",
    ),
    _groove(
        *("shuffle", 0.66, 90, 150),
        kick="X.......X.x.....",
        snare="....X.......X...",
        hihat_closed="x.x.x.x.x.x.x.x.",
    ),
    _groove(
        *("swing", 0.66, 110, 180),
        kick="o.......o.......",
        hihat_foot="....x.......x...",
        ride="x...x.o.x...x.o.",
        snare="......g.......g.",
    ),
    _groove(
        *("one drop", 0.6, 66, 90),
        kick="........X.......",
        sidestick="........X.....o.",
        hihat_closed="x.x.x.x.x.x.x.x.",
    ),
    _groove(
        *("latin", 0.5, 90, 126),
        kick="X..x....X..x....",
        sidestick="x..x..x...x.x...",
        conga="..o.x.o...o.x.xx",
        shaker="xoxoxoxoxoxoxoxo",
        cowbell="x...x...x...x...",
    ),
    _groove(
        *("breakbeat", 0.5, 120, 180),
        kick="X.X.......XX....",
        snare="....X..g.g..X..g",
        ride="x.x.x.x.x.x.x.x.",
    ),
    _groove(
        *("half time", 0.5, 70, 150),
        kick="X.....x...x.....",
        snare="........X.......",
        hihat_closed="x.o.x.o.x.o.x.o.",
        crash="o...............",
    ),
    _groove(
        *("punk", 0.5, 150, 180),
        kick="X.x...x.X.x...x.",
        snare="..X...X...X...X.",
        hihat_open="x.x.x.x.x.x.x.x.",
    ),
    _groove(
        *("double kick", 0.5, 100, 170),
        kick="XxxxXxxxXxxxXxxx",
        snare="....X.......X...",
        crash="o...o...o...o...",
    ),
    _groove(
        *("ballad", 0.5, 60, 84),
        kick="X.......x.x.....",
        sidestick="....X.......X...",
        hihat_closed="x.o.x.o.x.o.x.o.",
    ),
    _groove(
        *("toms", 0.5, 84, 150),
        kick="X...X...X...X...",
        tom_low="x.xx..x.x.xx..x.",
        tom_high="......x.......xx",
        snare="............X...",
    ),
    _groove(
        *("waltz", 0.5, 80, 170),
        kick="X...........",
        snare="....o...o...",
        hihat_closed="..x.x.x.x.x.",
    ),
    _groove(
        *("slow three", 0.66, 60, 100),
        kick="X.......x...",
        snare="....X.......",
        ride="x.o.x.o.x.o.",
    ),
)


def draw_groove(rng: np.random.Generator, tempo: float | None = None) -> Groove:
    """Return a random groove with some strokes added and taken away.

    Args:
        rng: of the choice.
        tempo: beats a minute that it has to suit, if that is decided already.
    """
    fitting = [g for g in GROOVES if tempo is None or g.tempo[0] <= tempo <= g.tempo[1]]
    groove = fitting[rng.integers(len(fitting))] if fitting else GROOVES[0]
    lines = {sound: _mutated(line, sound, rng) for sound, line in groove.lines.items()}
    if rng.random() < 0.15:
        lines["shaker"] = "xo" * (2 * groove.metre)
    if rng.random() < 0.1:
        lines["tambourine"] = "..o." * groove.metre
    return Groove(name=groove.name, swing=groove.swing, tempo=groove.tempo, lines=lines)


def _mutated(line: str, sound: str, rng: np.random.Generator) -> str:
    steps = list(line)
    for i, step in enumerate(steps):
        if step == "." and sound in ("kick", "hihat_open", "conga") and rng.random() < 0.04:
            steps[i] = "o"
        elif step == "." and sound == "snare" and rng.random() < 0.06:
            steps[i] = "g"
        elif step in "xo" and i % 4 and rng.random() < 0.08:
            steps[i] = "."
    return "".join(steps)


def play_groove(
    groove: Groove,
    *,
    bars: int,
    energy: float,
    fill: bool,
    crash: bool,
    rng: np.random.Generator,
) -> list[Note]:
    """Return the drums of a section, in beats from its start.

    Args:
        groove: one bar.
        bars: length of the section.
        energy: 0 to 1: how hard and how full.
        fill: end with a fill.
        crash: begin with a cymbal.
        rng: of omissions and velocities.
    """
    metre = groove.metre
    # Quiet sections lack some of the drums.
    sounds = [s for s in groove.lines if energy > 0.4 or s == "kick" or rng.random() < 0.7]
    fill_beats = float(rng.choice([1, 2, metre])) if fill else 0.0
    notes = [
        Note(bar * metre + i * STEP, STEP, PERCUSSION[sound][0], STRENGTH[step])
        for bar in range(bars)
        for sound in sounds
        for i, step in enumerate(groove.lines[sound])
        if step != "." and rng.random() > 0.02
    ]
    end = bars * metre
    notes = [note for note in notes if note.start < end - fill_beats]
    if fill_beats:
        notes += _fill(end - fill_beats, end, rng)
    if crash:
        notes.append(Note(0, 1, PERCUSSION["crash"][rng.integers(2)], 0.9))
    loud = 0.6 + 0.4 * energy
    return [note._replace(velocity=min(1.0, note.velocity * loud)) for note in notes]


def _fill(start: float, end: float, rng: np.random.Generator) -> list[Note]:
    sounds = ["snare", "tom_high", "tom_mid", "tom_low"]
    step = float(rng.choice([0.25, 0.25, 0.5, 1 / 3, 0.125]))
    starts = np.arange(start, end - 1e-6, step)
    roll = rng.random() < 0.4  # all on the snare
    notes = []
    for i, beat in enumerate(starts):
        if rng.random() < 0.12:
            continue
        sound = "snare" if roll else sounds[min(3, int(4 * i / len(starts) + rng.random() - 0.5))]
        velocity = 0.5 + 0.5 * (i + 1) / len(starts)
        notes.append(Note(float(beat), step, PERCUSSION[sound][0], velocity))
    return notes + [Note(b, 0.25, PERCUSSION["kick"][0], 0.8) for b in np.arange(start, end, 1.0)]
