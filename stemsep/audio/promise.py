"""How much sound the header of a PCM file promises, even where the file was cut short.

libsndfile and FFmpeg trim a chunk's size to what is there; to tell the user that a file was cut,
the size is read from the header itself. Formats: WAV, RF64, AIFF, W64, CAF, AU.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

__all__ = ["find_chunk", "ogg_is_cut", "promised_bytes"]


MOST_OGG_PAGE = 65_307
OGG_END_OF_STREAM = 4


class Layout(NamedTuple):
    """How the chunks of one format lie in its files (sizes in bytes)."""

    start: int
    id_size: int
    size_size: int
    endian: Literal["little", "big"]
    size_with_header: bool
    align: int
    data_id: bytes
    data_offset: int  # bytes before the first sample inside the data chunk


RIFF = Layout(12, 4, 4, "little", False, 2, b"data", 0)
LAYOUTS = {
    b"RIFF": RIFF,
    b"RF64": RIFF,
    b"RIFX": RIFF._replace(endian="big"),
    b"FORM": Layout(12, 4, 4, "big", False, 2, b"SSND", 8),
    b"riff": Layout(40, 16, 8, "little", True, 8, b"data", 0),
    b"caff": Layout(8, 4, 8, "big", False, 1, b"data", 4),
}


def promised_bytes(path: Path) -> int | None:
    """Return the bytes of sound that the header promises; None where it does not say.

    A program that writes into a pipe cannot know the size and puts 0 or a huge number there; those
    count as not said.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic == b".snd":  # AU: magic, offset of the data, size of the data
            size = int.from_bytes(file.read(8)[4:], "big")
            return None if _is_unknown(size) else size
        layout = LAYOUTS.get(magic)
        found = find_chunk(file, layout.data_id) if layout else None
        if layout is None or found is None:
            return None
        size = found[1]
        if magic == b"RF64" and size == 0xFFFFFFFF:
            size = _rf64_data_bytes(file)
        return None if _is_unknown(size) else size - layout.data_offset


def ogg_is_cut(path: Path) -> bool:
    """Return whether it is an Ogg file without its last page or the end of it (RFC 3533, 6).

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_OGG_PAGE))
        tail = file.read()
    start = tail.rfind(b"OggS")
    header = tail[start : start + 27]
    if start < 0 or len(header) < 27 or not header[5] & OGG_END_OF_STREAM:
        return True
    segments = tail[start + 27 : start + 27 + header[26]]
    return len(tail) - start < 27 + header[26] + sum(segments)


def find_chunk(file: BinaryIO, chunk_id: bytes) -> tuple[int, int] | None:
    """Return (offset of the content, size as the header has it) of the first such chunk, or None.

    Args:
        file: a WAV, RF64, AIFF, W64 or CAF file, at any position.
        chunk_id: the first four bytes of the chunk's identification.
    """
    file.seek(0)
    layout = LAYOUTS.get(file.read(4))
    if layout is None:
        return None
    position = layout.start
    header_size = layout.id_size + layout.size_size
    while True:
        file.seek(position)
        header = file.read(header_size)
        if len(header) < header_size:
            return None
        size = int.from_bytes(header[layout.id_size :], layout.endian)
        size -= header_size if layout.size_with_header else 0
        if header[:4] == chunk_id:
            return position + header_size, size
        if size < 0:
            return None
        position += header_size + -(-size // layout.align) * layout.align


def _rf64_data_bytes(file: BinaryIO) -> int:
    """Return the data size of a ``ds64`` chunk, its second number; 0 where there is none."""
    found = find_chunk(file, b"ds64")
    if found is None:
        return 0
    file.seek(found[0] + 8)
    return int.from_bytes(file.read(8), "little")


def _is_unknown(size: int) -> bool:
    # FFmpeg writes 2^32 - 1 into a pipe, SoX about 2^31, CAF has -1 (here 2^64 - 1), others 0.
    return size <= 0 or size >= 2**62 or any(0 <= top - size <= 4096 for top in (2**31, 2**32))
