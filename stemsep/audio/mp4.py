"""Boxes of MP4 files: what FFmpeg does not read or write.

Reference: ISO/IEC 14496-12, section 4.2 (a box is its size, its type and its content).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

__all__ = ["add_stem_box"]

HEADER_BYTES = 8
LARGE = 1
"""In place of a size: 64 bits of size follow."""

COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
"""Of the stems on the players' keys."""


def add_stem_box(file: BinaryIO, names: Sequence[str]) -> None:
    """Make an MP4 file of five sound streams a stem file: players then show its four stems.

    The box ``moov/udta/stem`` gets the names as JSON. The file's index ``moov`` must be its last
    box, as FFmpeg writes it.

    Args:
        file: a file open for reading and writing.
        names: of the four stems, in the order of their streams.

    Reference: Native Instruments, "Stem file format specification", version 1.
    """
    start, moov = next((s, b) for s, kind, b in _boxes(file) if kind == b"moov")
    stem = _box(b"stem", json.dumps(_description(names), separators=(",", ":")).encode())
    content = moov[HEADER_BYTES:]
    inner = list(_split(content))
    if any(kind == b"udta" for kind, _ in inner):
        parts = [
            _box(kind, box[HEADER_BYTES:] + stem) if kind == b"udta" else box for kind, box in inner
        ]
    else:
        parts = [*(box for _, box in inner), _box(b"udta", stem)]
    file.seek(start)
    file.write(_box(b"moov", b"".join(parts)))


def _description(names: Sequence[str]) -> dict[str, Any]:
    """Return what the format says of a file's stems; the two effects are off."""
    return {
        "mastering_dsp": {
            "compressor": {
                "enabled": False,
                "input_gain": 0.0,
                "output_gain": 0.0,
                "threshold": 0.0,
                "dry_wet": 100,
                "attack": 0.003,
                "release": 0.3,
                "ratio": 2.0,
                "hp_cutoff": 20,
            },
            "limiter": {"enabled": False, "threshold": 0.0, "ceiling": 0.0, "release": 0.05},
        },
        "version": 1,
        "stems": [
            {"name": name, "color": colour} for name, colour in zip(names, COLOURS, strict=True)
        ],
    }


def _boxes(file: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (offset, type, whole box) of the outer boxes; of the sound itself, no content."""
    start = 0
    while True:
        file.seek(start)
        header = file.read(2 * HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == LARGE:
            size = int.from_bytes(header[8:16], "big")
        file.seek(start)
        yield start, kind, b"" if kind == b"mdat" else file.read(size)
        start += size


def _split(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(content):
        size = int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], content[start : start + size]
        start += size


def _box(kind: bytes, content: bytes) -> bytes:
    return (HEADER_BYTES + len(content)).to_bytes(4, "big") + kind + content
