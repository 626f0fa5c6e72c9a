"""Parts and instruments -> waveforms: every note in its place, each tone made once.

A note that comes again is the same tone again, cut to its length; each comes in a few takes and
loudness layers, as with sampled instruments. This is what makes it fast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stemsep.data.synthetic.oscillators import Floats
from stemsep.data.synthetic.score import Note, sound_of

__all__ = ["Instrument", "play_drums", "play_notes", "strummed"]

LAYERS = (0.35, 0.6, 0.85, 1.0)
"""Velocities that tones are made for; between them only the level changes."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """What plays pitched notes.

    Args:
        name: for people.
        tone: ``(pitch, seconds, velocity, take)`` -> ``(1 or 2, samples)``; may be shorter.
        release_seconds: how long a note takes to end.
        lowest: MIDI number; notes below it are played an octave or more higher.
        highest: the same above.
        takes: different renderings of a note that take turns.
    """

    name: str
    tone: Callable[[int, float, float, int], Floats]
    release_seconds: float
    lowest: int = 21
    highest: int = 108
    takes: int = 2

    def reachable(self, pitch: int) -> int:
        """Return the pitch, or the nearest octave of it that the instrument has."""
        while pitch < self.lowest:
            pitch += 12
        while pitch > self.highest and pitch - 12 >= self.lowest:
            pitch -= 12
        return pitch


def strummed(notes: Sequence[Note], rng: np.random.Generator) -> list[Note]:
    """Return notes whose chords are spread as by a hand over strings, down and up in turns."""
    spread = rng.uniform(0.006, 0.03)
    chords: list[list[Note]] = []
    for note in sorted(notes):
        if chords and note.start - chords[-1][0].start < 0.03:
            chords[-1].append(note)
        else:
            chords.append([note])
    result = []
    for i, chord in enumerate(chords):
        up = i % 2 == 1 and rng.random() < 0.7
        pause = spread * rng.uniform(0.7, 1.3) / max(1, len(chord) - 1)
        chord.sort(key=lambda note: -note.pitch if up else note.pitch)
        result += [
            note._replace(
                start=chord[0].start + place * pause,
                velocity=note.velocity * (1 - 0.06 * place),
            )
            for place, note in enumerate(chord)
        ]
    return result


def play_notes(
    notes: Sequence[Note], instrument: Instrument, *, samples: int, sample_rate: int
) -> Floats:
    """Return a part played, ``(1 or 2, samples)``: one channel if all its tones have one.

    Args:
        notes: times in seconds.
        instrument: who plays.
        samples: length of the result; what lasts longer is cut.
        sample_rate: Hz.
    """
    release = max(1, round(instrument.release_seconds * sample_rate))
    fade = np.exp(-5 * np.arange(release) / release).astype(np.float32)
    fade *= np.linspace(1, 0, release, dtype=np.float32)
    planned = _planned(notes, instrument)
    longest: dict[tuple[int, int, int], float] = {}
    for key, note in planned:
        longest[key] = max(longest.get(key, 0.0), note.length)
    tones = {
        (pitch, layer, take): instrument.tone(
            pitch, seconds + instrument.release_seconds, LAYERS[layer], take
        )
        for (pitch, layer, take), seconds in longest.items()
    }
    channels = max((tone.shape[0] for tone in tones.values()), default=1)
    out = np.zeros((channels, samples), np.float32)
    for key, note in planned:
        start = round(note.start * sample_rate)
        held = round(note.length * sample_rate)
        tone = tones[key][:, : max(0, min(held + release, samples - start))]
        if not tone.shape[1]:
            continue
        out[:, start : start + tone.shape[1]] += _level(note.velocity) * tone
        tail = tone[:, held:]
        if tail.shape[1]:  # what was added in full is faded afterwards
            end = start + tone.shape[1]
            out[:, end - tail.shape[1] : end] -= (
                _level(note.velocity) * tail * (1 - fade[: tail.shape[1]])
            )
    return out


def play_drums(
    notes: Sequence[Note],
    strike: Callable[[str, float, int], Floats],
    *,
    gains: dict[str, float],
    pans: dict[str, float],
    samples: int,
    sample_rate: int,
) -> Floats:
    """Return drums played, ``(2, samples)``.

    Args:
        notes: times in seconds, pitches from General MIDI's percussion map.
        strike: ``(sound, velocity, take)`` -> ``(1 or 2, samples)``.
        gains: sound -> level.
        pans: sound -> -1 (left) to 1.
        samples: length of the result.
        sample_rate: Hz.
    """
    out = np.zeros((2, samples), np.float32)
    count: Counter[str] = Counter()
    strokes: dict[tuple[str, int, int], Floats] = {}
    hats = [note.start for note in notes if sound_of(note.pitch).startswith("hihat")]
    for note in notes:
        sound = sound_of(note.pitch)
        count[sound] += 1
        key = (sound, _layer(note.velocity), count[sound] % 4)
        if key not in strokes:
            strokes[key] = strike(sound, LAYERS[key[1]], key[2])
        start = round(note.start * sample_rate)
        wave = strokes[key][:, : max(0, samples - start)]
        if sound == "hihat_open":  # the next stroke closes it
            wave = _choked(wave, note.start, hats, sample_rate)
        left_right = np.sqrt(np.array([[1 - pans[sound]], [1 + pans[sound]]], np.float32))
        level = np.float32(gains[sound]) * _level(note.velocity)
        out[:, start : start + wave.shape[1]] += level * left_right * wave
    return out


def _choked(wave: Floats, start: float, hats: Sequence[float], sample_rate: int) -> Floats:
    following = min((hat for hat in hats if hat > start + 0.02), default=None)
    if following is None:
        return wave
    held = round((following - start) * sample_rate)
    fade = np.ones(wave.shape[1], np.float32)
    rest = max(0, wave.shape[1] - held)
    fade[held:] = np.exp(-np.arange(rest) / (0.01 * sample_rate))
    return wave * fade


def _planned(
    notes: Sequence[Note], instrument: Instrument
) -> list[tuple[tuple[int, int, int], Note]]:
    """Return each note with the tone that it needs: pitch, loudness layer, take."""
    count: Counter[int] = Counter()
    planned = []
    for note in notes:
        pitch = instrument.reachable(note.pitch)
        count[pitch] += 1
        key = (pitch, _layer(note.velocity), count[pitch] % instrument.takes)
        planned.append((key, note))
    return planned


def _layer(velocity: float) -> int:
    return min(range(len(LAYERS)), key=lambda i: abs(LAYERS[i] - velocity))


def _level(velocity: float) -> np.float32:
    return np.float32(velocity**1.4)
