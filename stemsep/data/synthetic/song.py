"""A seed -> a song with its stems: compose, play, sing, mix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.data.synthetic.composition import compose
from stemsep.data.synthetic.midi import MidiSong, read_midi
from stemsep.data.synthetic.mixing import master, mix_stem, placed, set_levels
from stemsep.data.synthetic.oscillators import Floats
from stemsep.data.synthetic.players import play_drum_part, play_part
from stemsep.data.synthetic.sampler import Library
from stemsep.data.synthetic.score import Note, Part, Score
from stemsep.data.synthetic.voice import draw_singer, sing
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError, ParameterError

__all__ = ["make_score", "make_song", "perform", "soloist", "song_seed"]

VOICES = ("vocals", "harmony", "double")
"""Roles that are sung."""
PRACTISING = 0.5
"""Probability that a soloist practises: in songs nobody plays high and low notes by themselves."""
BARE = 0.5
"""Probability that a soloist is heard as recorded, without a place, a room or other effects. In
songs no melody but the singer's is as dry and central, so such a sound is taken for a voice."""


def make_song(
    seed: int,
    *,
    seconds: float,
    sample_rate: int = 44_100,
    samples: Library | None = None,
    midi: Sequence[Path] = (),
    solo: bool = False,
) -> Track:
    """Return a song made from notes, with exact stems.

    Args:
        seed: equal seeds (and arguments) give equal songs, to the bit on one machine.
        seconds: length.
        sample_rate: Hz.
        samples: instruments and kits to play, from `find_samples`; without them all sounds are
            synthetic.
        midi: files of which one is played. One with drums alone gets a composed band around it.
        solo: one of the players, no singer, is alone; half of those who play notes practise:
            notes and chords from all over what their instrument has.

    Returns:
        A track with the stems of `stemsep.data.track.STEMS`, or with that of the player who is
        alone, 16 bits, whose mixture is their sum and within the range.

    Raises:
        ParameterError: no length or rate that could be.
        DatasetError, AudioFileError: a MIDI file or a sample cannot be read; or the singer is the
            only one to play in a solo.
    """
    score = make_score(seed, seconds=seconds, midi=midi)
    if not solo:
        return perform(score, seed, sample_rate=sample_rate, samples=samples)
    alone = soloist(score, seed)
    track = perform(
        replace(score, parts=(alone,)),
        seed,
        sample_rate=sample_rate,
        samples=samples,
        bare=np.random.default_rng([seed, 6]).random() < BARE,
    )
    return replace(track, stems={alone.stem: track.stems[alone.stem]})


def soloist(score: Score, seed: int) -> Part:
    """Return what the player of a solo plays: a part of the score, or notes to practise.

    Raises:
        DatasetError: nobody but singers plays.
    """
    players = [part for part in score.parts if part.role not in VOICES and part.notes]
    if not players:
        raise DatasetError(
            f"solo: nobody plays in the {score.seconds:g} seconds of song {seed}, singers apart; "
            "make songs longer, or leave out MIDI files of voices alone"
        )
    rng = np.random.default_rng([seed, 5])
    alone = players[int(rng.integers(len(players)))]
    if alone.role == "drums" or rng.random() >= PRACTISING:
        return alone
    return replace(alone, notes=_practice(score.seconds, rng))


def song_seed(seed: int, number: int) -> int:
    """Return the seed of song ``number`` of a set: far from those of all other songs and sets."""
    state = np.random.SeedSequence([seed, number]).generate_state(2, np.uint32)
    return int(state[0]) << 32 | int(state[1])


def make_score(seed: int, *, seconds: float, midi: Sequence[Path] = ()) -> Score:
    """Return what a song plays; see `make_song`.

    Raises:
        ParameterError: no length that could be.
        DatasetError: a MIDI file cannot be read.
    """
    if not 0.1 <= seconds <= 3600:
        raise ParameterError(f"seconds = {seconds}: choose 0.1 to 3600")
    rng = np.random.default_rng([seed, 0])
    if not midi:
        return compose(rng, seconds=seconds)
    given = read_midi(midi[int(rng.integers(len(midi)))])
    if any(part.role != "drums" for part in given.parts):
        parts = _excerpt(given, seconds, rng)
        return Score(
            tempo=given.tempo, metre=given.metre, key="from MIDI", seconds=seconds, parts=parts
        )
    around = compose(rng, seconds=seconds, tempo=given.tempo, metre=given.metre, drums=False)
    return Score(
        tempo=given.tempo,
        metre=given.metre,
        key=around.key,
        seconds=seconds,
        parts=(*_looped(given, seconds, rng), *around.parts),
    )


def perform(
    score: Score,
    seed: int,
    *,
    sample_rate: int = 44_100,
    samples: Library | None = None,
    bare: bool = False,
) -> Track:
    """Return a score played and mixed; see `make_song`.

    Args:
        score: what is played.
        seed: of who plays, and of the mix.
        sample_rate: Hz.
        samples: as of `make_song`.
        bare: what is played is neither equalised nor placed and gets no effects.

    Raises:
        ParameterError: a rate below 8000 Hz.
        AudioFileError: a sample cannot be read.
    """
    if not 8_000 <= sample_rate <= 192_000:
        raise ParameterError(f"sample_rate = {sample_rate}: choose 8000 to 192000")
    length = max(1, round(score.seconds * sample_rate))
    library = samples or Library()
    words = int(np.random.default_rng([seed, 1]).integers(2**31))
    mixed: dict[str, Floats] = {stem: np.zeros((2, length), np.float32) for stem in STEMS}
    for place, stem in enumerate(STEMS):
        played = []
        for number, part in enumerate(p for p in score.parts if p.stem == stem and p.notes):
            # Each part has dice of its own: what one does changes no other.
            rng = np.random.default_rng([seed, 2, place, number])
            if part.role in VOICES:
                wave = _sung(part, words, length, sample_rate, rng)
            else:
                play = play_drum_part if part.role == "drums" else play_part
                wave = play(part, library, samples=length, sample_rate=sample_rate, rng=rng)
            if bare:
                mixed[stem] += wave
            else:
                played.append((part.role, placed(wave, part.role, rng, sample_rate)))
        if played:
            rng = np.random.default_rng([seed, 3, place])
            mixed[stem] = mix_stem(
                stem, played, tempo=score.tempo, sample_rate=sample_rate, rng=rng
            )
    rng = np.random.default_rng([seed, 4])
    stems = master(set_levels(mixed, rng), sample_rate, rng)
    return Track(
        name=f"synthetic-{seed}",
        sample_rate=sample_rate,
        stems={stem: _to_int16(waveform) for stem, waveform in stems.items()},
    )


def _sung(
    part: Part, words: int, length: int, sample_rate: int, rng: np.random.Generator
) -> Floats:
    middle = float(np.median([note.pitch for note in part.notes]))
    # The same person sings the doubles; somebody else may sing the harmony.
    character = rng if part.role == "harmony" else np.random.default_rng(words)
    singer = draw_singer(character, middle)
    return sing(
        singer,
        _loosened(part.notes, 0.012, rng) if part.role != "vocals" else part.notes,
        samples=length,
        sample_rate=sample_rate,
        words=np.random.default_rng(words),
        rng=rng,
    )[None]


def _loosened(notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> list[Note]:
    return [
        note._replace(start=max(0.0, note.start + float(rng.normal(0, seconds)))) for note in notes
    ]


def _practice(seconds: float, rng: np.random.Generator) -> tuple[Note, ...]:
    """Return notes of all pitches one after the other, now and then a chord of two or three."""
    notes: list[Note] = []
    start = 0.0
    while start < seconds:
        length = float(np.exp(rng.uniform(np.log(0.15), np.log(2.5))))
        # Instruments play what is too low or too high for them some octaves off.
        pitches = rng.integers(24, 97) + np.cumsum([0, *rng.integers(3, 10, 2)])
        count = 1 if rng.random() < 0.7 else int(rng.integers(2, 4))
        velocity = float(rng.uniform(0.3, 1))
        notes += [Note(start, length, int(pitch), velocity) for pitch in pitches[:count]]
        start += length
    return tuple(notes)


def _excerpt(song: MidiSong, seconds: float, rng: np.random.Generator) -> tuple[Part, ...]:
    """Return the parts from a random bar on, if the song is longer than what is wanted."""
    bar = 60 / song.tempo * song.metre
    start = bar * int(rng.integers(max(0, math.floor((song.seconds - seconds) / bar)) + 1))
    return tuple(
        Part(
            role=part.role,
            stem=part.stem,
            notes=tuple(
                note._replace(start=note.start - start)
                for note in part.notes
                if start <= note.start < start + seconds
            ),
        )
        for part in song.parts
    )


def _looped(song: MidiSong, seconds: float, rng: np.random.Generator) -> tuple[Part, ...]:
    """Return drums from a random bar on, begun again whenever they end."""
    bar = 60 / song.tempo * song.metre
    bars = max(1, round(song.seconds / bar))
    shift = bar * int(rng.integers(bars))
    cycle = bars * bar
    notes = [
        note._replace(start=note.start + turn * cycle - shift)
        for turn in range(math.ceil((seconds + shift) / cycle) + 1)
        for part in song.parts
        for note in part.notes
        if note.start < cycle and 0 <= note.start + turn * cycle - shift < seconds
    ]
    return (Part(role="drums", stem="drums", notes=tuple(sorted(notes))),)


def _to_int16(waveform: Floats) -> NDArray[np.int16]:
    steps: NDArray[np.int16] = np.rint(waveform * np.float32(32767)).astype(np.int16)
    return steps
