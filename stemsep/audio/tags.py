"""What a sound file says about its music: title, artist, ..., and its cover.

Read from any container, to be written into the stems' files.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

__all__ = ["Cover", "Tags", "picture_block", "read_tags", "split_cover"]

TECHNICAL = frozenset(
    "encoder encoded_by encodedby encoder_options tsse tenc tlen itunsmpb itunnorm "
    "itunes_cddb_1 major_brand minor_version compatible_brands handler_name vendor_id "
    "creation_time language duration tcmp software date_time umid time_reference coding_history "
    "metadata_block_picture".split()
)
"""Tags about a file, not about its music: they would be wrong for another file."""

MOST_CHARACTERS = 10_000
"""Longer tags are settings of programs, not music."""

NAMES = {
    "albumartist": "album_artist",
    "tracknumber": "track",
    "discnumber": "disc",
    "year": "date",
    "description": "comment",
}
"""Other names of what FFmpeg calls by one name in all formats."""


@dataclass(frozen=True, kw_only=True)
class Cover:
    """A cover: a whole JPEG or PNG file, and its size in pixels."""

    data: bytes = field(repr=False)
    codec: Literal["mjpeg", "png"]
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Name -> text, with FFmpeg's lower-case names (``title``, ``album_artist``); and a cover."""

    values: Mapping[str, str] = field(default_factory=dict)
    cover: Cover | None = None


def read_tags(container: InputContainer, cover: Cover | None = None) -> Tags:
    """Return the tags of an opened file: those of the container and of its first sound stream."""
    given = {**container.streams.audio[0].metadata, **container.metadata}
    values = {}
    for name, text in given.items():
        name = NAMES.get(name.lower(), name.lower())
        if name not in TECHNICAL and 0 < len(text) <= MOST_CHARACTERS:
            values[name] = text
    return Tags(values=values, cover=cover)


def split_cover(container: InputContainer) -> tuple[Cover | None, Iterator[Packet[Any]]]:
    """Return the cover of an opened file, and the packets of its first sound stream.

    Covers come first of all packets, so even a pipe can be asked for its cover.
    """
    streams = [container.streams.audio[0]]
    covers = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
    packets = container.demux([*streams, *covers])
    cover = None
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return cover, iter(())
        if packet.stream not in covers:
            break
        cover = cover or _cover(packet)
    sound = (p for p in chain([packet], packets) if p.stream not in covers)
    return cover, sound


def _cover(packet: Packet[Any]) -> Cover | None:
    stream = packet.stream
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        return None
    name = stream.codec_context.name
    if name not in ("mjpeg", "png") or not packet.size:
        return None
    size = (stream.codec_context.width, stream.codec_context.height)
    return Cover(data=bytes(packet), codec=name, width=size[0], height=size[1])  # type: ignore[arg-type]


def picture_block(cover: Cover) -> str:
    """Return a cover as the text of the Vorbis comment METADATA_BLOCK_PICTURE.

    Reference: RFC 9639, section 8.8, in base 64.
    """
    kind = b"image/jpeg" if cover.codec == "mjpeg" else b"image/png"
    front_cover, bits = 3, 24
    head = struct.pack(">II", front_cover, len(kind)) + kind + struct.pack(">I", 0)
    size = struct.pack(">IIIII", cover.width, cover.height, bits, 0, len(cover.data))
    return base64.b64encode(head + size + cover.data).decode()
