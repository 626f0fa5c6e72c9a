"""Waveforms -> FLAC, MP3, Opus and M4A with PyAV (FFmpeg's encoders); WAV into a pipe.

Every encoder delays the sound a little. The containers say by how much, and where the sound ends,
so that players and decoders give exactly the samples that went in.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition
from numpy.typing import NDArray

from stemsep.audio.blocks import turned
from stemsep.audio.recording import RecordingStream, cannot_write
from stemsep.audio.tags import Cover, Tags, picture_block
from stemsep.audio.targets import OutputFormat

__all__ = ["EncodedFile"]

LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""Names of the usual arrangements of 1 to 8 channels; more have none."""

AAC_FRAME = 1024
"""Samples: AAC comes in packets of this many."""


class Codec(NamedTuple):
    """FFmpeg's names of what a format is made of."""

    container: str
    codec: str
    sample_format: str


CODECS: dict[tuple[OutputFormat, int | None], Codec] = {
    ("wav", 16): Codec("wav", "pcm_s16le", "s16"),
    ("wav", 24): Codec("wav", "pcm_s24le", "s32"),
    ("wav", 32): Codec("wav", "pcm_s32le", "s32"),
    ("wav", None): Codec("wav", "pcm_f32le", "flt"),
    ("flac", 16): Codec("flac", "flac", "s16"),
    ("flac", 24): Codec("flac", "flac", "s32"),
    ("mp3", None): Codec("mp3", "libmp3lame", "fltp"),
    ("opus", None): Codec("opus", "libopus", "flt"),
    ("m4a", None): Codec("mp4", "aac", "fltp"),
    ("stem.mp4", None): Codec("mp4", "aac", "fltp"),
}


class EncodedFile:
    """A file of one or more sound streams that is being encoded.

    Args:
        file: where it goes.
        format: of the file.
        sample_rate: Hz; 48,000 for Opus.
        channels: of each stream.
        bit_depth: 16, 24, 32 or, for 32-bit float, None.
        bitrate: bits a second of each stream of a lossy format.
        samples: how many per channel will be written. MP4 files need it: FFmpeg and players that
            cut only the sound's start decode up to 1023 samples too many without.
        tags: of the music.
        streams: how many.
    """

    def __init__(
        self,
        file: RecordingStream,
        *,
        format: OutputFormat,
        sample_rate: int,
        channels: int,
        bit_depth: int | None,
        bitrate: int | None = None,
        samples: int | None = None,
        tags: Tags | None = None,
        streams: int = 1,
    ) -> None:
        self.file = file
        self._codec = CODECS[format, bit_depth]
        self._shift = 8 if self._codec.sample_format == "s32" and bit_depth == 24 else 0
        self._rate = sample_rate
        self._layout = LAYOUTS[channels - 1] if channels <= 8 else f"{channels} channels"
        is_mp4 = self._codec.container == "mp4"
        # FFmpeg cuts an MP4's sound at its start to the sample, but at its end to the packet only:
        # with so many zeros in front, also to be cut, the sound ends with a packet.
        self._lead = -samples % AAC_FRAME if is_mp4 and samples is not None else 0
        self._time = [-self._lead] * streams
        tags = tags or Tags()
        try:
            self._container = self._open(is_mp4, tags)
            self._streams = [self._add_stream(bitrate) for _ in range(streams)]
            for stream in self._streams[1:]:  # players take the first one
                stream.disposition = Disposition(0)
            cover = _add_cover(self._container, tags.cover, as_stream=format in COVER_STREAMS)
            self._container.start_encoding()
            if cover is not None:
                self._container.mux(cover)
            if self._lead:
                lead = np.zeros((streams, channels, self._lead), np.float32)
                self.write(lead)
        except (av.FFmpegError, ValueError) as error:
            raise cannot_write(file.name, error) from error

    def write(self, block: NDArray[Any]) -> None:
        """Append ``(channels, samples)`` to a file of one stream, or ``(streams, …)`` to all."""
        blocks = block if block.ndim == 3 else block[None]
        try:
            for index, (stream, part) in enumerate(zip(self._streams, blocks, strict=True)):
                frame = self._frame(part)
                frame.pts = self._time[index]
                self._time[index] += part.shape[1]
                self._container.mux(stream.encode(frame))
        except av.FFmpegError as error:
            raise cannot_write(self.file.name, self.file.error or error) from error
        self.file.raise_recorded()

    def close(self) -> None:
        """Encode what is buffered and complete the file."""
        try:
            for stream in self._streams:
                self._container.mux(stream.encode(None))
            self._container.close()
        except av.FFmpegError as error:
            raise cannot_write(self.file.name, self.file.error or error) from error
        self.file.raise_recorded()

    def abandon(self) -> None:
        """Close without completing."""
        self._container.close()

    def _open(self, is_mp4: bool, tags: Tags) -> OutputContainer:
        options = {"fflags": "+bitexact"}  # no random numbers, no versions of libraries
        if is_mp4:
            options |= {"movie_timescale": str(self._rate), "brand": "M4A "}
        container = av.open(
            self.file, "w", format=self._codec.container, options=options, buffer_size=1 << 18
        )
        container.metadata.update(tags.values)
        if tags.cover and self._codec.container == "opus":
            container.metadata["METADATA_BLOCK_PICTURE"] = picture_block(tags.cover)
        return container

    def _add_stream(self, bitrate: int | None) -> AudioStream:
        stream: AudioStream = self._container.add_stream(  # type: ignore[assignment]
            self._codec.codec,
            rate=self._rate,
            layout=self._layout,
            format=self._codec.sample_format,
        )
        if bitrate is not None:
            stream.bit_rate = bitrate
        return stream

    def _frame(self, block: NDArray[Any]) -> AudioFrame:
        form = self._codec.sample_format
        if form == "s16":
            block = block.astype(np.int16)
        elif self._shift:
            block = block << self._shift
        if not form.endswith("p"):
            block = turned(block).reshape(1, -1)  # (1, samples * channels)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), form, self._layout)
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        return frame


COVER_STREAMS = ("flac", "mp3", "m4a", "stem.mp4")
"""Formats whose cover is a picture stream to FFmpeg."""


def _add_cover(
    container: OutputContainer, cover: Cover | None, *, as_stream: bool
) -> Packet[Any] | None:
    """Add a cover's stream to a file and return its one packet."""
    if cover is None or not as_stream:
        return None
    stream = container.add_mux_stream(cover.codec, width=cover.width, height=cover.height)
    stream.metadata["comment"] = "Cover (front)"
    stream.disposition = Disposition.attached_pic
    packet = Packet(cover.data)
    packet.stream, packet.time_base = stream, Fraction(1, 90_000)
    packet.pts = packet.dts = 0
    packet.is_keyframe = True
    return packet
