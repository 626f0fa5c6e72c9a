"""The files of a track -> its stems in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.convert import to_float, to_steps
from stemsep.audio.read import open_audio
from stemsep.errors import DatasetError
from stemsep.evaluation.stems import Held, Stems, stems_of
from stemsep.evaluation.tracks import CONTAINER, MIXTURE, TrackFiles

__all__ = ["LoadedTrack", "load_track", "read_stems"]

READERS = 2
"""Files read at a time: more would wait for each other."""


@dataclass(frozen=True, kw_only=True)
class LoadedTrack:
    """The sound of one track.

    Args:
        references: the true stems.
        own_mixture: its one stem is the mixture, where the track comes with one that was asked for.
    """

    references: Stems
    own_mixture: Stems | None

    @property
    def mixture(self) -> NDArray[np.float32]:
        """The track's own mixture, or the sum of its stems: ``(channels, samples)``."""
        if self.own_mixture is not None:
            return self.own_mixture.whole(MIXTURE)
        return self.references.summed({MIXTURE: self.references.names}).whole(MIXTURE)

    def cut(self, start: int, stop: int) -> LoadedTrack:
        """Return a part of the track, in samples, as `Stems.cut` does."""
        own = self.own_mixture and self.own_mixture.cut(start, stop)
        return LoadedTrack(references=self.references.cut(start, stop), own_mixture=own)


def load_track(track: TrackFiles, *, mixture: bool) -> LoadedTrack:
    """Return the sound of a track; stems that are shorter than the longest end in silence.

    Args:
        track: its files.
        mixture: whether its mixture is wanted as well.

    Raises:
        AudioFileError: a file cannot be read.
        DatasetError: a file was cut, no stems, or rates or channels that do not fit together.
    """
    if not track.stems:
        raise DatasetError(f"'{track.name}' has a mixture, but no stems")
    if CONTAINER in track.files:
        held, rate = _read_container(track.files[CONTAINER])
    else:
        wanted = {s: p for s, p in track.files.items() if mixture or s != MIXTURE}
        held, rate = _read(wanted)
    references = stems_of({stem: [held[stem]] for stem in track.stems}, rate=rate)
    if MIXTURE not in held:
        return LoadedTrack(references=references, own_mixture=None)
    own = stems_of({MIXTURE: [held[MIXTURE]]}, rate=rate).fitted(references)
    return LoadedTrack(references=references, own_mixture=own)


def read_stems(files: Mapping[str, Path]) -> Stems:
    """Return the stems of sound files of any lengths.

    Raises:
        AudioFileError: a file cannot be read.
        DatasetError: a file was cut, rates that differ, or channels that do and are not mono.
    """
    held, rate = _read(files)
    return stems_of({stem: [waveform] for stem, waveform in held.items()}, rate=rate)


def _read(files: Mapping[str, Path]) -> tuple[dict[str, Held], int]:
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(files, pool.map(_read_file, files.values()), strict=True))
    held = {stem: waveform for stem, (waveform, _) in found.items()}
    rates = {stem: rate for stem, (_, rate) in found.items()}
    if len(set(rates.values())) > 1:
        differ = ", ".join(f"{stem} {rate} Hz" for stem, rate in rates.items())
        raise DatasetError(f"stems of different sample rates ({differ}): resample them to one")
    return held, next(iter(rates.values()))


def _read_file(path: Path) -> tuple[Held, int]:
    with open_audio(path) as reader:
        if (reader.info.bit_depth or 32) <= 16:
            steps = [to_steps(block, 16)[0].astype(np.int16) for block in reader.blocks()]
            held: Held = np.concatenate(steps, axis=1)
        else:
            held = np.concatenate([to_float(block) for block in reader.blocks()], axis=1)
        if reader.missing_seconds:
            part = f"{reader.missing_seconds:.2f} s"
            if math.isnan(reader.missing_seconds):
                part = "the end"
            raise DatasetError(
                f"'{path}' was cut or is damaged: {part} of it is missing, and silence would be "
                "scored in its place; get the file again"
            )
        return held, reader.info.sample_rate


def _read_container(path: Path) -> tuple[dict[str, Held], int]:
    from stemsep.data.musdb import read_stem_file

    track = read_stem_file(path)
    assert track.mixture is not None, "a stem file has its own mixture"  # noqa: S101
    return {**track.stems, MIXTURE: track.mixture}, track.sample_rate
