"""New files for encoders: they keep the first error of the disk, which encoders drop."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from stemsep.errors import AudioFileError

__all__ = ["RecordingFile", "RecordingStream", "cannot_write"]


class RecordingStream:
    """Takes what an encoder writes from front to back, such as into a pipe.

    Args:
        raw: where it goes.
        name: what messages call it.
    """

    def __init__(self, raw: IO[bytes] | Any, name: Path | str) -> None:
        self.raw, self.name = raw, name
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of ``data``; an error is only noted, see `raise_recorded`."""
        rest = memoryview(data)
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[self.raw.write(rest) :]
        except OSError as error:
            self.error = error
        return size  # to the encoder all is well: a short write would end in an assertion

    def close(self) -> None:
        """Write out what is buffered; what was given stays open."""
        try:
            self.raw.flush()
        except OSError as error:
            self.error = self.error or error

    def raise_recorded(self) -> None:
        """Raise the noted error, if any.

        Raises:
            AudioFileError: the disk is full or fails, or nobody reads the pipe.
        """
        if self.error is not None:
            raise cannot_write(self.name, self.error) from self.error


class RecordingFile(RecordingStream):
    """A new file that an encoder may also read and seek in.

    Args:
        path: an old file is replaced; None makes one without a name, which is gone when it is
            closed, even by a killed process.
        name: what messages call it.
        folder: where a file without a name lies.

    Raises:
        AudioFileError: it cannot be made.
    """

    def __init__(self, path: Path | None, name: Path | str, *, folder: Path | None = None) -> None:
        try:
            # Unbuffered: an error belongs to the write that caused it, not to a later one.
            raw = (
                path.open("w+b", buffering=0) if path else TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - closed by `close`
            )
        except OSError as error:
            raise cannot_write(name, error) from error
        super().__init__(raw, name)

    def read(self, size: int = -1) -> bytes:
        """Return what stands at the position."""
        return self.raw.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position and return it."""
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self.raw.tell()

    def close(self) -> None:
        """Give the file back."""
        self.raw.close()


def cannot_write(name: Path | str, error: Exception) -> AudioFileError:
    """Return the error to raise where a file cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return AudioFileError(
        f"cannot write '{name}': {reason}; free space there or choose another folder"
    )
