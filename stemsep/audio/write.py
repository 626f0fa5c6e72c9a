"""Waveforms -> sound files of any format, written in blocks.

The path is used as it is: wrap it in `stemsep.audio.atomic.partial_file` so that a file is complete
or not there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.encode import EncodedFile
from stemsep.audio.recording import RecordingFile, RecordingStream
from stemsep.audio.tags import Tags
from stemsep.audio.targets import OPUS_RATE, TARGETS, OutputFormat, check_writable
from stemsep.audio.wav import VorbisFile, WavFile
from stemsep.errors import ParameterError

__all__ = ["AudioWriter", "OutputFormat", "check_writable", "open_stdout", "open_writer"]


class _Sink(Protocol):
    """What writes one format."""

    def write(self, block: NDArray[Any]) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


class AudioWriter:
    """A sound file being written; a context manager that completes it.

    Sample values and their number type depend on the bit depth: see `write`.
    """

    def __init__(
        self, file: RecordingStream, sink: _Sink, *, channels: int, bit_depth: int | None
    ) -> None:
        self._file, self._sink, self._closed = file, sink, False
        self._channels, self._bit_depth = channels, bit_depth

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        self._closed = True
        self._sink.abandon()
        self._file.close()

    def write(self, block: NDArray[Any]) -> None:
        """Append ``(channels, samples)``.

        Args:
            block: int32 sample values at the file's bit depth (-32768 to 32767 for 16), or float32
                in [-1, 1] nominal for a float or lossy file.

        Raises:
            ParameterError: wrong number type or channel count, or a value beyond the bit depth.
            AudioFileError: the disk is full or fails.
        """
        _check_block(block, bit_depth=self._bit_depth, channels=self._channels)
        if block.shape[1]:
            self._sink.write(block)

    def close(self) -> None:
        """Write what is buffered and complete the header; a second call does nothing.

        Raises:
            AudioFileError: the disk is full or fails.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._sink.close()
        finally:
            self._file.close()
        self._file.raise_recorded()


def open_writer(
    path: Path,
    *,
    format: OutputFormat,
    sample_rate: int,
    channels: int,
    bit_depth: int | None,
    samples: int | None = None,
    bitrate: int | None = None,
    tags: Tags | None = None,
    name: Path | None = None,
) -> AudioWriter:
    """Return a writer for a new file at exactly this path; an old one is replaced.

    Args:
        path: its suffix does not matter.
        format: such as "wav" or "flac"; one of one stream, not "stem.mp4".
        sample_rate: Hz.
        channels: at least 1.
        bit_depth: 16, 24, or for WAV 32; None is 32-bit float (WAV), and for lossy formats.
        samples: how many per channel will be written, where that is known. A WAV of 4 GiB or more
            is an RF64; with unknown length it becomes one if it turns out to be that long. An M4A
            of unknown length may decode up to 1023 samples too long.
        bitrate: of a lossy format, bits a second; None for the format's default.
        tags: of the music; written as far as the format has them.
        name: what messages call the file, where ``path`` is a temporary one.

    Raises:
        ParameterError: the format cannot hold this.
        AudioFileError: the file cannot be created.
    """
    check_writable(format, sample_rate, channels, bit_depth)
    if format == "opus" and sample_rate != OPUS_RATE:
        raise ParameterError(f"Opus is written at {OPUS_RATE} Hz: resample the sound first")
    tags, bitrate = tags or Tags(), bitrate or TARGETS[format].bitrate * channels
    file = RecordingFile(path, name or path)
    sink: _Sink
    try:
        if format == "wav":
            sink = WavFile(
                file,
                sample_rate=sample_rate,
                channels=channels,
                bit_depth=bit_depth,
                samples=samples,
                tags=tags,
            )
        elif format == "ogg":
            sink = VorbisFile(
                file, sample_rate=sample_rate, channels=channels, bitrate=bitrate, tags=tags
            )
        else:
            sink = EncodedFile(
                file,
                format=format,
                sample_rate=sample_rate,
                channels=channels,
                bit_depth=bit_depth,
                bitrate=bitrate if TARGETS[format].lossy else None,
                samples=samples,
                tags=tags,
            )
    except BaseException:
        file.close()
        raise
    return AudioWriter(file, sink, channels=channels, bit_depth=bit_depth)


def open_stdout(
    *,
    format: OutputFormat,
    sample_rate: int,
    channels: int,
    bit_depth: int | None,
    tags: Tags | None = None,
) -> AudioWriter:
    """Return a writer to the standard output.

    The sizes in a WAV's header are open (the largest there are), as nobody can go back to them.

    Args:
        format: "wav" or "flac".
        sample_rate: Hz.
        channels: at least 1.
        bit_depth: as for `open_writer`.
        tags: of the music.

    Raises:
        ParameterError: the format cannot hold this, or cannot be written without going back.
    """
    check_writable(format, sample_rate, channels, bit_depth)
    if format not in ("wav", "flac"):
        raise ParameterError(f"{format} cannot go to the standard output: choose wav or flac")
    file = RecordingStream(sys.stdout.buffer, "standard output")
    sink = EncodedFile(
        file,
        format=format,
        sample_rate=sample_rate,
        channels=channels,
        bit_depth=bit_depth,
        tags=tags,
    )
    return AudioWriter(file, sink, channels=channels, bit_depth=bit_depth)


def _check_block(block: NDArray[Any], *, bit_depth: int | None, channels: int) -> None:
    expected = np.float32 if bit_depth is None else np.int32
    if block.ndim != 2 or block.shape[0] != channels or block.dtype != expected:
        raise ParameterError(
            f"a block to write must be ({channels}, samples) {np.dtype(expected)}, not "
            f"{block.shape} {block.dtype}"
        )
    if bit_depth in (None, 32) or not block.size:
        return
    limit = 2 ** (bit_depth - 1)
    if block.min() < -limit or block.max() >= limit:
        raise ParameterError(f"a block to write has values beyond {bit_depth} bits")
