"""Sound files -> stereo at one rate, decoded once: in memory, or in a folder of mapped files.

Decoding a song takes a hundred times as long as reading an excerpt of it, so all files are decoded
before training starts. A minute of one stem takes 10 MB in 16 bits at 44.1 kHz. In a folder the
result stays for the next run, and memory holds only what is being read: for data sets of hours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.atomic import partial_file, remove_leftovers
from stemsep.audio.convert import resample, to_steps
from stemsep.audio.read import read_audio, read_streams
from stemsep.data.track import Samples
from stemsep.errors import DatasetError

__all__ = ["Decoder"]

Streams = tuple[Sequence[NDArray[np.float32]], int]


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Decodes sound files to what a `Track` holds.

    Args:
        sample_rate: of the result, Hz.
        exact: float32 as decoded, instead of 16-bit integers in half the memory.
        folder: where decoded sound is kept, made if missing; without it, in memory.
    """

    sample_rate: int
    exact: bool = False
    folder: Path | None = None

    def file(self, path: Path) -> Samples:
        """Return a sound file as ``(2, samples)``: mono doubled, of more channels the first two.

        Raises:
            AudioFileError: the file cannot be read.
            DatasetError: the folder for decoded sound cannot be written.
        """
        return self._decoded(path, _one)[0]

    def streams(self, path: Path) -> Sequence[Samples]:
        """Return all streams of a container such as ``.stem.mp4``, of one length.

        Raises:
            AudioFileError: the file cannot be read.
            DatasetError: the folder for decoded sound cannot be written.
        """
        return self._decoded(path, read_streams)

    def _decoded(self, path: Path, decode: Callable[[Path], Streams]) -> Sequence[Samples]:
        if self.folder is None:
            return self._stereo(*decode(path))
        kept = self.folder / f"{self._key(path)}.npy"
        if not kept.is_file():
            array = np.stack(self._stereo(*decode(path)))
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                remove_leftovers(self.folder)
                with partial_file(kept) as temporary, temporary.open("wb") as file:
                    np.save(file, array)
            except OSError as error:
                raise DatasetError(
                    f"cannot keep decoded sound in '{self.folder}': {error.strerror}; make room, "
                    'or decode into memory (cache = "memory")'
                ) from error
        return list(np.load(kept, mmap_mode="r"))  # (streams, 2, samples)

    def _stereo(self, streams: Sequence[NDArray[np.float32]], rate: int) -> Sequence[Samples]:
        played = [_at_rate(stream[:2], rate, self.sample_rate) for stream in streams]
        stereo = [np.broadcast_to(p, (2, p.shape[1])) for p in played]
        return stereo if self.exact else [to_steps(p, 16)[0].astype(np.int16) for p in stereo]

    def _key(self, path: Path) -> str:
        """Return a name that changes with the file and with what it is decoded to."""
        facts = path.stat()
        text = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns} {self.sample_rate}"
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]
        return f"{digest}-{'float32' if self.exact else 'int16'}"


def _one(path: Path) -> Streams:
    waveform, rate = read_audio(path)
    return [waveform], rate


def _at_rate(waveform: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    return np.concatenate(list(resample([waveform], from_rate=rate, to_rate=wanted)), axis=1)
