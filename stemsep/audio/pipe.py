"""Sound from the standard input."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from stemsep.audio.libav import open_libav
from stemsep.audio.read import AudioReader, open_audio
from stemsep.errors import AudioFileError

__all__ = ["STDIN", "open_stdin"]

STDIN = Path("stdin")
"""What messages and results call it."""

HEAD_BYTES = 32


class _Pipe:
    """A stream that can only be read, whose first bytes have been looked at already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._stream.read(size)

    def close(self) -> None:
        """Do nothing: the stream is the process's."""


def open_stdin() -> AudioReader:
    """Return the standard input opened for reading; its length is not known before its end.

    Sound streams through, except where its exact end takes a look at the whole file (MP3, Ogg), or
    its index may be at its end (MP4): these are first copied to the disk.

    Raises:
        AudioFileError: as for `stemsep.audio.open_audio`.
    """
    stream = sys.stdin.buffer
    head = stream.read(HEAD_BYTES)
    if len(head) < 2:
        raise AudioFileError(f"cannot read '{STDIN}': it is empty (0 bytes); pipe a file into it")
    pipe = _Pipe(head, stream)
    if head.startswith((b"OggS", b"ID3")) or head[4:8] == b"ftyp" or _is_mp3(head):
        return _from_copy(pipe)
    opened = open_libav(STDIN, pipe)
    return AudioReader(replace(opened, info=replace(opened.info, samples=None)))


def _is_mp3(head: bytes) -> bool:
    """Return whether an MPEG audio frame begins; AAC's has 0 as its layer."""
    return head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _from_copy(pipe: _Pipe) -> AudioReader:
    """Return the sound of a pipe from a copy on the disk, which goes when the reader is closed."""
    folder = tempfile.TemporaryDirectory(prefix="stemsep-")
    try:
        path = Path(folder.name, STDIN)  # of that name, for messages
        with path.open("wb") as copy:
            shutil.copyfileobj(pipe, copy)
        return open_audio(path, on_close=folder.cleanup)
    except BaseException:
        folder.cleanup()
        raise
