"""Folders of stems -> tracks: one folder per song, one file per stem, named after it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.convert import to_steps
from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.audio.read import read_audio
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError

__all__ = ["read_folder"]


def read_folder(
    root: Path,
    *,
    stems: Sequence[str] = STEMS,
    exclude: Collection[str] = (),
    reliable: Mapping[str, Collection[str]] | None = None,
) -> list[Track]:
    """Return the tracks below ``root``, sorted by name, decoded to 16 bit stereo.

    Args:
        root: holds one folder per song with ``STEM.wav`` (or ``.flac``, ``.ogg``, ``.mp3`` …).
            Mono is doubled; of more than two channels the first two are read.
        stems: names of the stems; one without a file is silence.
        exclude: names of songs to leave out (such as those kept for validation).
        reliable: song -> the stems that can be trusted, for songs whose other stems hold a bit of
            everything; only those are read, and the track has no others.

    Raises:
        DatasetError: no song below ``root``; a song that is named but not there, or a stem that is
            unknown; stems of one song with different rates, or a stem with two files.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder '{root}': give a folder with one folder of stems per song")
    reliable = reliable or {}
    there = [path for path in sorted(root.iterdir()) if path.is_dir()]
    _check_named(root, {*exclude, *reliable}, {path.name for path in there})
    _check_named(root, {stem for trusted in reliable.values() for stem in trusted}, set(stems))
    folders = [path for path in there if path.name not in exclude]
    wanted = {folder: reliable.get(folder.name, stems) for folder in folders}
    tracks = [track for folder in folders if (track := _read_track(folder, wanted[folder]))]
    if not tracks:
        raise DatasetError(f"no songs in '{root}': it needs SONG/{stems[0]}.wav and so on")
    return tracks


def _check_named(root: Path, given: Collection[str], known: Collection[str]) -> None:
    # A misspelt exclusion would quietly train on what it was meant to keep out.
    for name in sorted(set(given) - set(known)):
        near = difflib.get_close_matches(name, known, n=1) or [", ".join(sorted(known)[:5])]
        raise DatasetError(f"no '{name}' in '{root}'; did you mean {near[0]}?")


def _read_track(folder: Path, stems: Collection[str]) -> Track | None:
    found = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in SOUND_SUFFIXES]
    found = [path for path in found if path.stem in stems and path.is_file()]
    if not found:
        return None
    files = {path.stem: path for path in found}
    if len(files) < len(found):
        raise DatasetError(
            f"a stem of '{folder}' has two files: {', '.join(p.name for p in found)}"
        )
    decoded = {name: read_audio(path) for name, path in files.items()}
    rates = {rate for _, rate in decoded.values()}
    if len(rates) > 1:
        raise DatasetError(f"stems of '{folder}' have different sample rates: {sorted(rates)}")
    samples = max(waveform.shape[1] for waveform, _ in decoded.values())
    silence = np.zeros((2, samples), np.int16)
    stereo = {name: _to_int16(waveform, samples) for name, (waveform, _) in decoded.items()}
    return Track(
        name=folder.name,
        sample_rate=rates.pop(),
        stems={name: stereo.get(name, silence) for name in stems},
    )


def _to_int16(waveform: NDArray[np.float32], samples: int) -> NDArray[np.int16]:
    stereo = np.broadcast_to(waveform[:2], (2, waveform.shape[1]))
    padded = np.zeros((2, samples), np.int16)
    padded[:, : stereo.shape[1]] = to_steps(stereo, 16)[0]
    return padded
