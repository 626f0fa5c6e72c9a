"""Waveforms -> WAV and Ogg Vorbis files with libsndfile."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from stemsep.audio.blocks import turned
from stemsep.audio.promise import find_chunk
from stemsep.audio.recording import RecordingFile, cannot_write
from stemsep.audio.tags import Tags, picture_block

__all__ = ["VorbisFile", "WavFile"]

SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "PCM_32", None: "FLOAT"}

WAV_BYTES = 2**32 - 2**16
"""What fits into a WAV file, whose sizes have 32 bits, with room for the header."""

WAV_TAGS = {name: name for name in ("title", "artist", "album", "date", "genre", "comment")}
WAV_TAGS |= {"copyright": "copyright", "track": "tracknumber"}
"""FFmpeg's name -> libsndfile's, of what a WAV's LIST chunk has a place for."""

VORBIS_KBPS = (45, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
"""What Vorbis needs for stereo at 44.1 kHz with its qualities -1 to 10."""


class WavFile:
    """A WAV file that is being written.

    Args:
        file: where it goes.
        sample_rate: Hz.
        channels: at least 1.
        bit_depth: 16, 24, 32, or None for 32-bit float.
        samples: how many per channel will be written, where that is known.
        tags: of the music.
    """

    def __init__(
        self,
        file: RecordingFile,
        *,
        sample_rate: int,
        channels: int,
        bit_depth: int | None,
        samples: int | None,
        tags: Tags,
    ) -> None:
        self.file = file
        self._shift = 0 if bit_depth is None else 32 - bit_depth
        size = None if samples is None else samples * channels * (bit_depth or 32) // 8
        major = "WAV" if size is not None and size < WAV_BYTES else "RF64"
        try:
            self._sound = soundfile.SoundFile(
                file, "w", sample_rate, channels, SUBTYPES[bit_depth], format=major
            )
        except soundfile.LibsndfileError as error:
            raise cannot_write(file.name, file.error or error) from error
        for name, place in WAV_TAGS.items():
            if name in tags.values:
                setattr(self._sound, place, tags.values[name])

    def write(self, block: NDArray[Any]) -> None:
        """Append ``(channels, samples)``."""
        if self._sound.subtype == "PCM_16":
            block = block.astype(np.int16)  # goes to the file as it is
        elif self._shift:
            block = block << self._shift  # libsndfile takes the upper bits of each int32
        _write(self._sound, block, self.file)

    def close(self) -> None:
        """Write what is buffered and complete the header."""
        _close(self._sound, self.file)
        _tidy_header(self.file)
        self.file.raise_recorded()

    def abandon(self) -> None:
        """Close without completing."""
        with suppress(soundfile.LibsndfileError):
            self._sound.close()


class VorbisFile:
    """An Ogg Vorbis file that is being written.

    libsndfile encodes into a nameless file; FFmpeg, which has no good encoder for Vorbis but knows
    all tags, then copies the packets.

    Args:
        file: where it goes.
        sample_rate: Hz.
        channels: 1 or 2.
        bitrate: aimed at, bits a second.
        tags: of the music.
    """

    def __init__(
        self, file: RecordingFile, *, sample_rate: int, channels: int, bitrate: int, tags: Tags
    ) -> None:
        self.file, self._tags, self._samples = file, tags, 0
        kbps = bitrate / 1000 * 2 / channels * 44_100 / max(8000, sample_rate)
        quality = float(np.interp(kbps, VORBIS_KBPS, np.arange(-1, 11))) / 10
        self._encoded = RecordingFile(None, file.name, folder=Path(file.name).parent)
        self._sound = soundfile.SoundFile(
            self._encoded,
            "w",
            sample_rate,
            channels,
            "VORBIS",
            format="OGG",
            compression_level=min(1.0, 1 - quality),
        )

    def write(self, block: NDArray[Any]) -> None:
        """Append ``(channels, samples)``."""
        _write(self._sound, block, self._encoded)
        self._samples += block.shape[1]

    def close(self) -> None:
        """Complete the file."""
        _close(self._sound, self._encoded)
        try:
            self._copy_packets()
        except av.FFmpegError as error:
            raise cannot_write(self.file.name, self.file.error or error) from error
        finally:
            self._encoded.close()
        self.file.raise_recorded()

    def abandon(self) -> None:
        """Close without completing."""
        with suppress(soundfile.LibsndfileError):
            self._sound.close()
        self._encoded.close()

    def _copy_packets(self) -> None:
        # FFmpeg finds the exact end of sound that lies on two pages or more.
        page_seconds = min(1.0, self._samples / self._sound.samplerate / 4)
        options = {"fflags": "+bitexact", "page_duration": f"{page_seconds * 1e6:.0f}"}
        self._encoded.seek(0)
        with (
            av.open(self._encoded, "r", format="ogg") as encoded,
            av.open(self.file, "w", format="ogg", options=options) as copy,
        ):
            stream = copy.add_stream_from_template(encoded.streams.audio[0])
            stream.metadata.clear()
            copy.metadata.update(self._tags.values)
            if self._tags.cover:
                copy.metadata["METADATA_BLOCK_PICTURE"] = picture_block(self._tags.cover)
            for packet in encoded.demux(encoded.streams.audio[0]):
                if packet.pts is None:  # it only says that there are no more
                    continue
                packet.stream = stream
                packet.duration = min(packet.duration or 0, max(0, self._samples - packet.pts))
                copy.mux(packet)


def _write(sound: soundfile.SoundFile, block: NDArray[Any], file: RecordingFile) -> None:
    try:
        sound.write(turned(block))
    except soundfile.LibsndfileError as error:
        raise cannot_write(file.name, file.error or error) from error
    file.raise_recorded()


def _close(sound: soundfile.SoundFile, file: RecordingFile) -> None:
    try:
        sound.close()
    except soundfile.LibsndfileError as error:
        raise cannot_write(file.name, file.error or error) from error
    file.raise_recorded()


def _tidy_header(file: RecordingFile) -> None:
    """Make an RF64 of under 4 GiB a plain WAV, which more programs read; drop the time of writing.

    libsndfile puts the time into the PEAK chunk of float files: equal sound should be equal files.
    """
    raw = cast("BinaryIO", file.raw)
    peak = find_chunk(raw, b"PEAK")
    if peak is not None:  # version, time, peaks
        file.seek(peak[0] + 4)
        file.write(bytes(4))
    size = file.seek(0, os.SEEK_END)
    data = find_chunk(raw, b"data")
    file.seek(0)
    if file.read(4) != b"RF64" or data is None or size >= WAV_BYTES:
        return
    for offset, content in (
        (0, b"RIFF"),
        (4, (size - 8).to_bytes(4, "little")),
        (12, b"JUNK"),  # in place of "ds64", the chunk with the 64-bit sizes
        (data[0] - 4, (size - data[0]).to_bytes(4, "little")),
    ):
        file.seek(offset)
        file.write(content)
