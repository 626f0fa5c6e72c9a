"""MIDI files -> parts, with mido."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemsep.data.synthetic.score import Note, Part, Role
from stemsep.errors import DatasetError, require

__all__ = ["MidiSong", "find_midi", "read_midi"]

PERCUSSION_CHANNEL = 9

SUFFIXES = (".mid", ".midi")

LONGEST_SECONDS = 3600.0
"""Of a file that is read; a damaged one may claim to last for years."""


@dataclass(frozen=True, kw_only=True)
class MidiSong:
    """What a MIDI file holds.

    Args:
        tempo: beats a minute, at the start.
        metre: beats a bar, counted in quarters as the tempo is.
        seconds: until the last note ends.
        parts: their notes in seconds.
    """

    tempo: float
    metre: int
    seconds: float
    parts: tuple[Part, ...]


def find_midi(paths: Sequence[Path]) -> list[Path]:
    """Return the MIDI files among paths and in the folders among them, sorted.

    Raises:
        DatasetError: one is missing, or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise DatasetError(f"no MIDI files (.mid, .midi) in '{path}'")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise DatasetError(f"cannot read '{path}': no such file; give a MIDI file or folder")
    return files


def read_midi(path: Path) -> MidiSong:
    """Return the notes of a Standard MIDI File.

    Channel 10 is drums; General MIDI's programs, or the names of the tracks, tell basses and
    voices; all else is "other".

    Raises:
        MissingExtraError: mido is not installed.
        DatasetError: the file is none, is damaged, or holds no notes.
    """
    mido = require("mido", extra="synth")
    try:
        file = mido.MidiFile(path, clip=True)
        notes, tempo, metre = _notes(mido, file)
    except OSError as error:
        reason = error.strerror or "it is damaged or no MIDI file"
        raise DatasetError(f"cannot read '{path}': {reason}") from error
    except (ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"cannot read '{path}': it is damaged or no MIDI file") from error
    if not notes:
        raise DatasetError(f"'{path}' holds no notes; give another MIDI file")
    parts = [_part(*key, tuple(sorted(played))) for key, played in sorted(notes.items())]
    return MidiSong(
        tempo=tempo,
        metre=metre,
        seconds=max(n.start + n.length for part in parts for n in part.notes),
        parts=tuple(parts),
    )


Key = tuple[int, int, str]
"""Channel, program, name of the track."""


def _notes(mido: Any, file: Any) -> tuple[dict[Key, list[Note]], float, int]:
    """Return the notes by channel, program and track, the first tempo and the beats a bar."""
    names = {i: track.name.lower() for i, track in enumerate(file.tracks)}
    events = sorted(
        ((tick, i, message) for i, track in enumerate(file.tracks) for tick, message in _at(track)),
        key=lambda event: event[0],
    )
    notes: dict[Key, list[Note]] = defaultdict(list)
    sounding: dict[tuple[int, int, int], tuple[float, int]] = {}
    programs: dict[int, int] = defaultdict(int)
    seconds, last_tick, beat = 0.0, 0, 500_000
    tempo: float | None = None
    metre = 4
    for tick, i, message in events:
        seconds += mido.tick2second(tick - last_tick, file.ticks_per_beat, beat)
        last_tick = tick
        if seconds > LONGEST_SECONDS:
            break
        if message.type == "set_tempo":
            beat = message.tempo
            tempo = tempo or mido.tempo2bpm(beat)
        elif message.type == "time_signature":
            metre = max(1, round(4 * message.numerator / message.denominator))
        elif message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            sounding[i, message.channel, message.note] = (seconds, message.velocity)
        elif message.type in ("note_on", "note_off"):
            begun = sounding.pop((i, message.channel, message.note), None)
            if begun:
                key = (message.channel, programs[message.channel], names[i])
                length = max(0.02, seconds - begun[0])
                notes[key].append(Note(begun[0], length, message.note, begun[1] / 127))
    return notes, tempo or 120.0, metre


def _at(track: Any) -> list[tuple[int, Any]]:
    tick, events = 0, []
    for message in track:
        tick += message.time
        events.append((tick, message))
    return events


def _part(channel: int, program: int, name: str, notes: tuple[Note, ...]) -> Part:
    role: Role = "riff"
    stem = "other"
    if channel == PERCUSSION_CHANNEL:
        role, stem = "drums", "drums"
    elif 32 <= program < 40 or "bass" in name:
        role, stem = "bass", "bass"
    elif program in (52, 53, 54) or any(w in name for w in ("voc", "voice", "sing", "melody")):
        role, stem = "vocals", "vocals"
    elif 40 <= program < 56 or 88 <= program < 96:
        role = "pad"
    elif program < 32:
        role = "chords"
    return Part(role=role, stem=stem, notes=notes)
