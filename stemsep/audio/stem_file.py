"""A mixture and its four stems -> one stem file (``.stem.mp4``) for DJ programs.

The streams are the mixture and the stems, AAC, in the order of MUSDB18's files: drums, bass, other,
vocals.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.encode import EncodedFile
from stemsep.audio.mp4 import add_stem_box
from stemsep.audio.recording import RecordingFile
from stemsep.audio.tags import Tags
from stemsep.audio.targets import TARGETS, check_writable

__all__ = ["STEM_ORDER", "StemFileWriter", "open_stem_file"]

STEM_ORDER = ("drums", "bass", "other", "vocals")


class StemFileWriter:
    """A stem file being written; a context manager that completes it."""

    def __init__(self, file: RecordingFile, encoded: EncodedFile) -> None:
        self._file, self._encoded = file, encoded

    def __enter__(self) -> StemFileWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._encoded.close()
                add_stem_box(cast("BinaryIO", self._file), STEM_ORDER)
            else:
                self._encoded.abandon()
        finally:
            self._file.close()
        if error is None:
            self._file.raise_recorded()

    def write(self, sounds: NDArray[np.float32]) -> None:
        """Append ``(5, channels, samples)`` in [-1, 1]: the mixture, and `STEM_ORDER`.

        Raises:
            AudioFileError: the disk is full or fails.
        """
        self._encoded.write(sounds)


def open_stem_file(
    path: Path,
    *,
    sample_rate: int,
    channels: int,
    samples: int | None,
    bitrate: int | None = None,
    tags: Tags | None = None,
    name: Path | None = None,
) -> StemFileWriter:
    """Return a writer for a new stem file at exactly this path.

    Args:
        path: where.
        sample_rate: Hz.
        channels: 1 or 2.
        samples: how many per channel will be written.
        bitrate: of each of the five streams, bits a second; None for the default.
        tags: of the music.
        name: what messages call the file, where ``path`` is a temporary one.

    Raises:
        ParameterError: the format cannot hold this.
        AudioFileError: the file cannot be created.
    """
    check_writable("stem.mp4", sample_rate, channels, None)
    file = RecordingFile(path, name or path)
    try:
        encoded = EncodedFile(
            file,
            format="stem.mp4",
            sample_rate=sample_rate,
            channels=channels,
            bit_depth=None,
            bitrate=bitrate or TARGETS["stem.mp4"].bitrate * channels,
            samples=samples,
            tags=tags,
            streams=1 + len(STEM_ORDER),
        )
    except BaseException:
        file.close()
        raise
    return StemFileWriter(file, encoded)
