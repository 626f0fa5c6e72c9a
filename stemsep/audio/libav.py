"""Sound files -> blocks with PyAV (FFmpeg's libraries): all that libsndfile does not read.

Files are opened here and handed over as objects, so that no name can be taken for an address, and
FFmpeg may open nothing else (a playlist could name other files or addresses).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from stemsep.audio.blocks import turned
from stemsep.audio.info import AudioInfo, Block, OpenedAudio
from stemsep.audio.promise import promised_bytes
from stemsep.audio.tags import read_tags, split_cover
from stemsep.errors import AudioFileError

__all__ = ["open_libav", "read_all_streams"]

TIMED = ("mov,", "matroska", "asf", "flac", "caf", "tta", "wv", "ape", "mp3")
"""Containers whose header has the length; for others FFmpeg guesses it from the bit rate."""

MP3_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")


def open_libav(path: Path, file: object | None = None) -> OpenedAudio:
    """Return the opened file, at its first sound stream.

    Args:
        path: the file.
        file: an object to read from instead, such as a pipe; ``path`` is then its name only.

    Raises:
        AudioFileError: not a sound file, no sound in it, or no decoder for its sound.
    """
    with ExitStack() as stack:
        container = _open_container(path, stack, file)
        stream = container.streams.audio[0]
        info = _info(path, container, stream)
        cover, packets = split_cover(container)
        blocks = _blocks(packets, stream, info)
        tags = read_tags(container, cover)
        return OpenedAudio(info=info, blocks=blocks, close=stack.pop_all().close, tags=tags)


def read_all_streams(path: Path) -> tuple[list[NDArray[Any]], AudioInfo]:
    """Return every sound stream as decoded, in file order, and the first one's facts.

    Returns:
        One array ``(channels, samples)`` per stream, as `Block` has it.

    Raises:
        AudioFileError: as for `open_libav`; or streams of different sample rates; or a stream in
            which nothing decodes.
    """
    with ExitStack() as stack:
        container = _open_container(path, stack)
        streams = container.streams.audio
        infos = {stream.index: _info(path, container, stream) for stream in streams}
        rates = sorted({info.sample_rate for info in infos.values()})
        if len(rates) > 1:
            raise AudioFileError(
                f"cannot read '{path}': its sound streams have different sample rates {rates}; "
                "convert them to one rate"
            )
        parts: dict[int, list[Block]] = {stream.index: [] for stream in streams}
        for index, block in _decode(container.demux(list(streams)), infos):
            parts[index].append(block)
    if not all(parts.values()):
        raise AudioFileError(
            f"cannot read '{path}': not one sample of a sound stream decodes; it is empty "
            "or damaged: get the file again"
        )
    return [np.concatenate(blocks, axis=1) for blocks in parts.values()], next(iter(infos.values()))


def _open_container(path: Path, stack: ExitStack, file: object | None = None) -> InputContainer:
    file = file or stack.enter_context(path.open("rb"))
    try:
        container = av.open(file, "r", options={"protocol_whitelist": "none"})
    except av.FFmpegError as error:
        raise AudioFileError(
            f"cannot read '{path}': not a sound file in a known format, or badly damaged; "
            "check it with a player, or convert it to WAV or FLAC"
        ) from error
    stack.callback(container.close)
    if not container.streams.audio:
        raise AudioFileError(
            f"cannot read '{path}': there is no sound in it; give a file with a sound track"
        )
    return container


def _info(path: Path, container: InputContainer, stream: AudioStream) -> AudioInfo:
    context = stream.codec_context
    # FFmpeg names a stream without knowing its sound where no decoder exists or nothing decodes.
    if context is None or not context.sample_rate or context.format is None:
        raise AudioFileError(
            f"cannot read '{path}': its sound does not decode; it is damaged or of an unknown "
            "kind: convert it to WAV or FLAC"
        )
    integer = context.format.name[0] in "us" and context.codec.lossless
    return AudioInfo(
        path=path,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        samples=_promised_samples(path, container, stream),
        bit_depth=_bit_depth(stream) if integer else None,
        lossy=context.codec.lossy and not integer,
    )


def _bit_depth(stream: AudioStream) -> int:
    """Return 8, 16, 24 or 32: the bits of a sample, from the codec's own header where it tells.

    FFmpeg decodes 24 bits into 32. 32 is right for any sound, so it stands where nothing tells.
    """
    context = stream.codec_context
    name, header = context.codec.name, context.extradata or b""
    bits = context.format.bits
    if name.startswith("pcm_") and (digits := re.search(r"\d+", name)):
        bits = int(digits.group())
    elif name == "flac" and len(header) >= 14:  # STREAMINFO: 5 bits from bit 103, minus 1
        bits = ((header[12] & 1) << 4 | header[13] >> 4) + 1
    elif name == "alac" and len(header) >= 18:  # ALACSpecificConfig.bitDepth
        bits = header[17]
    elif name == "tta" and len(header) >= 10:
        bits = int.from_bytes(header[8:10], "little")
    return min(32, -(-bits // 8) * 8)


def _promised_samples(path: Path, container: InputContainer, stream: AudioStream) -> int | None:
    context = stream.codec_context
    if context.codec.name.startswith("pcm_") and path.is_file():
        size = promised_bytes(path)
        digits = re.search(r"\d+", context.codec.name)
        if size is not None and digits is not None:
            return size * 8 // (int(digits.group()) * context.layout.nb_channels)
    seconds = _promised_seconds(path, container, stream)
    return round(seconds * context.sample_rate) if seconds else None


def _promised_seconds(path: Path, container: InputContainer, stream: AudioStream) -> float | None:
    name = container.format.name
    if not name.startswith(TIMED) or (name == "mp3" and not _mp3_has_length(path)):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := stream.metadata.get("DURATION"):  # Matroska: 00:03:21.120000000
        hours, minutes, seconds = (float(part) for part in tag.split(":"))
        return hours * 3600 + minutes * 60 + seconds
    if len(container.streams) == 1 and container.duration:
        return container.duration / av.time_base
    return None


def _mp3_has_length(path: Path) -> bool:
    """Return whether the first frame of an MP3 file tells the number of frames."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(10)
        if len(head) == 10 and head[:3] == b"ID3":  # its size is in 7-bit bytes
            file.seek(10 + (head[6] << 21) + (head[7] << 14) + (head[8] << 7) + head[9])
        else:
            file.seek(0)
        frame = file.read(2048)
    return any(tag in frame for tag in MP3_LENGTH_TAGS)


def _blocks(
    packets: Iterator[Packet[Any]], stream: AudioStream, info: AudioInfo
) -> Iterator[Block]:
    for _, block in _decode(packets, {stream.index: info}):
        yield block


def _decode(
    packets: Iterator[Packet[Any]], infos: dict[int, AudioInfo]
) -> Iterator[tuple[int, Block]]:
    """Yield (stream index, block) until the end; what is damaged is left out."""
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return  # cut, or so damaged that no next packet can be found
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # one damaged packet: the next one may be good
        index = packet.stream.index
        for frame in frames:
            if isinstance(frame, AudioFrame):
                yield index, _to_block(frame, infos[index])


def _to_block(frame: AudioFrame, info: AudioInfo) -> Block:
    channels = frame.layout.nb_channels
    if (frame.sample_rate, channels) != (info.sample_rate, info.channels):
        raise AudioFileError(
            f"cannot read '{info.path}': its sound changes from {info.sample_rate} Hz with "
            f"{info.channels} channels to {frame.sample_rate} Hz with {channels}; cut it there, or "
            "convert it to WAV"
        )
    array: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        array = turned(array.reshape(-1, channels))  # of (1, samples * channels)
    return _to_int32(array) if info.bit_depth is not None else _to_float32(array)


def _to_int32(array: NDArray[Any]) -> NDArray[np.int32]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray((array.astype(np.int32) - 128) << 24)
    shift = 32 - 8 * array.dtype.itemsize
    if shift < 0:  # 64-bit integers, which nothing plays
        return np.ascontiguousarray((array >> -shift).astype(np.int32))
    return np.ascontiguousarray(array.astype(np.int32) << shift)


def _to_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float32)
    return np.ascontiguousarray(_to_int32(array) / np.float32(2**31), np.float32)
