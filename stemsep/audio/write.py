"""Waveforms -> sound files: WAV (integer or float) and FLAC, written in blocks.

The path is used as it is: wrap it in `stemsep.audio.atomic.partial_file` so that a file is complete
or not there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from stemsep.audio.promise import find_chunk
from stemsep.errors import AudioFileError, ParameterError

__all__ = ["AudioWriter", "OutputFormat", "check_writable", "open_writer"]

OutputFormat: TypeAlias = Literal["wav", "flac"]

BIT_DEPTHS: dict[OutputFormat, tuple[int | None, ...]] = {
    "wav": (16, 24, 32, None),
    "flac": (16, 24),
}
MAX_CHANNELS: dict[OutputFormat, int] = {"wav": 1024, "flac": 8}
MAX_RATE: dict[OutputFormat, int] = {"wav": 2**31 - 1, "flac": 655_350}
MAX_ODD_RATE: dict[OutputFormat, int] = {"wav": 2**31 - 1, "flac": 65_535}
"""Above it a rate has to be a multiple of 10 Hz."""

SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "PCM_32", None: "FLOAT"}

WAV_BYTES = 2**32 - 2**16
"""What fits into a WAV file, whose sizes have 32 bits, with room for the header."""


class AudioWriter:
    """A sound file being written; a context manager that completes it.

    Sample values and their number type depend on the bit depth: see `write`.
    """

    def __init__(
        self, file: _RecordingFile, sound: soundfile.SoundFile, bit_depth: int | None
    ) -> None:
        self._file = file
        self._sound = sound
        self._bit_depth = bit_depth

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
        with suppress(soundfile.LibsndfileError):  # the error in the block counts
            self._sound.close()
        self._file.close()

    def write(self, block: NDArray[Any]) -> None:
        """Append ``(channels, samples)``.

        Args:
            block: int32 sample values at the file's bit depth (-32768 to 32767 for 16), or float32
                in [-1, 1] nominal for a float file.

        Raises:
            ParameterError: wrong number type or channel count, or a value beyond the bit depth.
            AudioFileError: the disk is full or fails.
        """
        _check_block(block, bit_depth=self._bit_depth, channels=self._sound.channels)
        if self._bit_depth is not None:
            # libsndfile takes the upper bits of each int32.
            block = block << (32 - self._bit_depth)
        try:
            self._sound.write(np.ascontiguousarray(block.T))
        except soundfile.LibsndfileError as error:
            raise _cannot_write(self._file.name, self._file.error or error) from error
        self._file.raise_recorded()

    def close(self) -> None:
        """Write what is buffered and complete the header; a second call does nothing.

        Raises:
            AudioFileError: the disk is full or fails.
        """
        if self._sound.closed:
            return
        try:
            self._sound.close()
            self._file.raise_recorded()
            _tidy_header(self._file)
            self._file.raise_recorded()
        except soundfile.LibsndfileError as error:
            raise _cannot_write(self._file.name, self._file.error or error) from error
        finally:
            self._file.close()


def open_writer(
    path: Path,
    *,
    format: OutputFormat,
    sample_rate: int,
    channels: int,
    bit_depth: int | None,
    samples: int | None = None,
    name: Path | None = None,
) -> AudioWriter:
    """Return a writer for a new file at exactly this path; an old one is replaced.

    Args:
        path: its suffix does not matter.
        format: "wav" or "flac".
        sample_rate: Hz.
        channels: at least 1.
        bit_depth: 16, 24, or for WAV 32; None is 32-bit float, WAV only.
        samples: how many per channel will be written, where that is known. A WAV of 4 GiB or more
            is an RF64; with unknown length it becomes one if it turns out to be that long.
        name: what messages call the file, where ``path`` is a temporary one.

    Raises:
        ParameterError: the format cannot hold this.
        AudioFileError: the file cannot be created.
    """
    check_writable(format, sample_rate, channels, bit_depth)
    major = format.upper()
    if format == "wav":
        size = None if samples is None else samples * channels * (bit_depth or 32) // 8
        major = "WAV" if size is not None and size < WAV_BYTES else "RF64"
    file = _RecordingFile(path, name or path)
    try:
        sound = soundfile.SoundFile(
            file, "w", sample_rate, channels, SUBTYPES[bit_depth], format=major
        )
    except soundfile.LibsndfileError as error:
        file.close()
        raise _cannot_write(file.name, file.error or error) from error
    return AudioWriter(file, sound, bit_depth)


def check_writable(
    format: OutputFormat,
    sample_rate: int,
    channels: int,
    bit_depth: int | None,
) -> None:
    """Return if the format can hold such sound.

    Raises:
        ParameterError: it cannot; the message names what can.
    """
    if format not in BIT_DEPTHS:
        raise ParameterError(f"unknown output format '{format}'; choose one of wav, flac")
    if bit_depth not in BIT_DEPTHS[format]:
        bits = "32-bit float" if bit_depth is None else f"{bit_depth}-bit"
        problem = f"{bits} sound"
    elif not 1 <= channels <= MAX_CHANNELS[format]:
        problem = f"{channels} channels, only 1 to {MAX_CHANNELS[format]}"
    elif not _holds_rate(format, sample_rate):
        problem = f"a sample rate of {sample_rate} Hz"
    else:
        return
    remedy = _remedy(sample_rate, channels, bit_depth)
    raise ParameterError(f"{format.upper()} cannot hold {problem}; {remedy}")


def _holds_rate(format: OutputFormat, sample_rate: int) -> bool:
    odd = sample_rate % 10 != 0
    return 1 <= sample_rate <= (MAX_ODD_RATE if odd else MAX_RATE)[format]


def _remedy(sample_rate: int, channels: int, bit_depth: int | None) -> str:
    fitting = [
        name
        for name, depths in BIT_DEPTHS.items()
        if bit_depth in depths
        and 1 <= channels <= MAX_CHANNELS[name]
        and _holds_rate(name, sample_rate)
    ]
    if fitting:
        return f"choose {' or '.join(fitting)}"
    return "choose wav with 16, 24 or 32 bits or float, or flac with 16 or 24 bits"


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


class _RecordingFile:
    """A new file for libsndfile that keeps the first error of the disk, which libsndfile drops."""

    def __init__(self, path: Path, name: Path) -> None:
        self.name = name
        self.error: OSError | None = None
        try:
            # Unbuffered: an error belongs to the write that caused it, not to a later one.
            self.raw = path.open("w+b", buffering=0)
        except OSError as error:
            raise _cannot_write(name, error) from error

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[self.raw.write(rest) :]
        except OSError as error:
            self.error = error
        return size  # to libsndfile all is well: a short write would end in an assertion

    def read(self, size: int) -> bytes:
        return self.raw.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def close(self) -> None:
        self.raw.close()

    def raise_recorded(self) -> None:
        if self.error is not None:
            raise _cannot_write(self.name, self.error) from self.error


def _tidy_header(file: _RecordingFile) -> None:
    """Make an RF64 of under 4 GiB a plain WAV, which more programs read; drop the time of writing.

    libsndfile puts the time into the PEAK chunk of float files: equal sound should be equal files.
    """
    peak = find_chunk(file.raw, b"PEAK")
    if peak is not None:  # version, time, peaks
        file.seek(peak[0] + 4)
        file.write(bytes(4))
    size = file.seek(0, os.SEEK_END)
    data = find_chunk(file.raw, b"data")
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


def _cannot_write(path: Path, error: Exception) -> AudioFileError:
    reason = getattr(error, "strerror", None) or str(error)
    return AudioFileError(
        f"cannot write '{path}': {reason}; free space there or choose another folder"
    )
