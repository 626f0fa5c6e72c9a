"""Folders of stems -> tracks: one folder per song, one file per stem, named after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
        root: holds one folder per song with ``STEM.wav`` (or any other readable format).
        stems: names of the stems; one without a file is silence.
        exclude: names of songs to leave out (such as those kept for validation).
        reliable: song -> the stems that can be trusted, for songs whose other stems hold a bit of
            everything; only those are read.

    Raises:
        DatasetError: no song below ``root``, or stems of one song with different rates.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder '{root}': give a folder with one folder of stems per song")
    folders = [p for p in sorted(root.iterdir()) if p.is_dir() and p.name not in exclude]
    reliable = reliable or {}
    wanted = {folder: reliable.get(folder.name, stems) for folder in folders}
    tracks = [track for folder in folders if (track := _read_track(folder, wanted[folder]))]
    if not tracks:
        raise DatasetError(f"no songs in '{root}': it needs SONG/{stems[0]}.wav and so on")
    return tracks


def _read_track(folder: Path, stems: Collection[str]) -> Track | None:
    files = {p.stem: p for p in sorted(folder.iterdir()) if p.stem in stems}
    if not files:
        return None
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
    padded[:, : stereo.shape[1]] = np.clip(np.rint(stereo * 32768), -32768, 32767)
    return padded
