"""Songs made from notes as a source of training: endless, exact, and nobody's property."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from stemsep.data.synthetic import find_samples, make_notes, make_song, song_seed
from stemsep.data.synthetic.midi import find_midi
from stemsep.data.track import Track

__all__ = ["generate_tracks"]

WORTH_SECONDS = 600
"""Less sound than this is made sooner than other processes have started."""


def generate_tracks(
    tracks: int,
    *,
    seconds: float,
    seed: int,
    sample_rate: int,
    samples: Sequence[Path] = (),
    midi: Sequence[Path] = (),
    solo: bool = False,
    notes: bool = False,
) -> list[Track]:
    """Return songs made from notes, by one process a core.

    Args:
        tracks: how many.
        seconds: length of each.
        seed: of the set; no two sets share a song.
        sample_rate: Hz.
        samples: folders of instruments and drum kits to play; none: all sounds are synthetic.
        midi: files or folders of them; none: songs are composed.
        solo: of each song one player alone.
        notes: no songs, but notes of one instrument of ``samples`` each.

    Raises:
        DatasetError: no samples or no MIDI files in what was given, or nobody for a solo.
        AudioFileError: a sample cannot be read.
    """
    library = find_samples(list(samples)) if samples else None
    make = partial(
        make_notes if notes else partial(make_song, midi=find_midi(list(midi)), solo=solo),
        seconds=seconds,
        sample_rate=sample_rate,
        samples=library,
    )
    seeds = [song_seed(seed, number) for number in range(tracks)]
    processes = min(os.cpu_count() or 1, tracks)
    if processes < 2 or tracks * seconds < WORTH_SECONDS:
        return [make(song) for song in seeds]
    # Fresh processes: a fork of one with threads can hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(make, seeds))
