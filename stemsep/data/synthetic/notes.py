"""One sampled instrument alone, note after note, as it was recorded: no song, no mix, no room.

What an instrument sounds like by itself has to be learned from all that it can play, and no song
plays it all.
"""

from __future__ import annotations

import numpy as np

from stemsep.data.synthetic.performance import play_notes
from stemsep.data.synthetic.players import sampled_instrument
from stemsep.data.synthetic.sampler import Library, SampledInstrument
from stemsep.data.synthetic.score import Note
from stemsep.data.track import Track
from stemsep.errors import DatasetError

__all__ = ["make_notes"]

PEAKS = 0.08, 0.95
"""Of a track: a sample library is as loud as its makers like."""


def make_notes(
    seed: int, *, seconds: float, sample_rate: int = 44_100, samples: Library | None = None
) -> Track:
    """Return notes and chords of one instrument, drawn from those that there are.

    Args:
        seed: equal seeds (and arguments) give equal tracks.
        seconds: length.
        sample_rate: Hz.
        samples: instruments, from `find_samples`.

    Returns:
        A track with the stem of the instrument, 16 bits.

    Raises:
        DatasetError: no instrument.
        AudioFileError: a sample cannot be read.
    """
    if samples is None or not samples.instruments:
        raise DatasetError(
            "notes: no instrument to play them; name folders of samples whose files are called "
            "after their note (c4_mf.wav)"
        )
    rng = np.random.default_rng([seed, 7])
    instrument = samples.instruments[int(rng.integers(len(samples.instruments)))]
    played = play_notes(
        _notes(instrument, seconds, rng),
        sampled_instrument(instrument, sample_rate),
        samples=max(1, round(seconds * sample_rate)),
        sample_rate=sample_rate,
    )
    peak = np.exp(rng.uniform(*np.log(PEAKS))) / max(1e-9, float(np.abs(played).max()))
    steps = np.rint(played * np.float32(32767 * peak)).astype(np.int16)
    return Track(
        name=f"notes-{seed}",
        sample_rate=sample_rate,
        stems={instrument.stem: np.broadcast_to(steps, (2, steps.shape[1])).copy()},
    )


def _notes(instrument: SampledInstrument, seconds: float, rng: np.random.Generator) -> list[Note]:
    """Return notes that were recorded: all or a few neighbours, from low to high or mixed.

    Now and then comes a chord, and a note that lies a tone beside one: there are few of them.
    """
    pitches = sorted({sample.pitch for sample in instrument.samples})
    if rng.random() < 0.3:
        first = int(rng.integers(len(pitches)))
        pitches = pitches[first : first + int(rng.integers(1, 6))]
    if rng.random() < 0.5:
        rng.shuffle(pitches)
    length = float(np.exp(rng.uniform(np.log(0.2), np.log(3))))
    notes: list[Note] = []
    start, place = 0.0, int(rng.integers(len(pitches)))
    while start < seconds:
        held = length * float(rng.uniform(0.7, 1.3))
        for _ in range(1 if rng.random() < 0.8 else int(rng.integers(2, 4))):
            off = int(rng.integers(-2, 3)) if rng.random() < 0.25 else 0
            velocity = float(rng.uniform(0.3, 1))
            notes.append(Note(start, held, pitches[place % len(pitches)] + off, velocity))
            place += 1
        start += held + (float(rng.uniform(0, 0.5)) if rng.random() < 0.2 else 0)
    return notes
