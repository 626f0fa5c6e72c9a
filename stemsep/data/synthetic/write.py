"""A track -> a folder as in MUSDB18-HQ: ``mixture.wav`` and a file for each stem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.atomic import partial_file
from stemsep.audio.write import open_writer
from stemsep.data.track import Track

__all__ = ["MIXTURE", "write_track"]

MIXTURE = "mixture.wav"
"""Written last: a folder that has it is complete."""


def write_track(track: Track, folder: Path) -> None:
    """Write a track of 16-bit stems; the mixture is their sum, sample by sample.

    Args:
        track: its stems are ``(2, samples)`` int16 and their sum is within 16 bits, as those of
            `make_song`.
        folder: made if it is not there; files in it are replaced.

    Raises:
        AudioFileError, OSError: the folder cannot be written, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stems = {name: waveform.astype(np.int32) for name, waveform in track.stems.items()}
    for name, waveform in stems.items():
        _write(folder / f"{name}.wav", waveform, track.sample_rate)
    mixture = sum(stems.values(), np.zeros((2, track.samples), np.int32))
    _write(folder / MIXTURE, mixture, track.sample_rate)


def _write(path: Path, waveform: NDArray[np.int32], sample_rate: int) -> None:
    with (
        partial_file(path) as temporary,
        open_writer(
            temporary,
            format="wav",
            sample_rate=sample_rate,
            channels=len(waveform),
            bit_depth=16,
            samples=waveform.shape[1],
            name=path,
        ) as writer,
    ):
        writer.write(waveform)
