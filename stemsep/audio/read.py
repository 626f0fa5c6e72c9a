"""Sound files -> waveforms: any format, in blocks of one size or whole.

Takes a path; gives ``(channels, samples)``. Integer sound comes out exactly. Rates and channel
counts are the file's own; to change them is `stemsep.audio.convert`'s part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.blocks import BLOCK_SAMPLES, first_non_finite, reblock
from stemsep.audio.convert import to_float
from stemsep.audio.info import AudioInfo, Block, OpenedAudio
from stemsep.audio.libav import open_libav, read_all_streams
from stemsep.audio.promise import ogg_is_cut
from stemsep.audio.sndfile import knows_magic, open_sndfile
from stemsep.audio.tags import Tags
from stemsep.errors import AudioFileError

__all__ = [
    "BLOCK_SAMPLES",
    "AudioInfo",
    "AudioReader",
    "open_audio",
    "read_audio",
    "read_info",
    "read_streams",
]

LOSSY_TOLERANCE_SECONDS = 0.1
"""Lossy formats promise and decode slightly different lengths even when nothing is missing."""

TOLERANCE_SECONDS = 0.002
"""Some containers (Matroska, ASF) have their length in whole milliseconds."""


class AudioReader:
    """A sound file being read, once, from its start; a context manager that closes it.

    Attributes:
        info: the facts of its header.
        tags: title, artist, ... and cover.
        missing_seconds: after `blocks`: how much of what the header promised does not decode, as
            the file was cut or is damaged; NaN for a cut Ogg, whose header promises nothing; 0.0
            for a good file, and where a cut leaves no trace (ADTS, MP3 without a length tag).
    """

    def __init__(self, opened: OpenedAudio, on_close: Callable[[], None] | None = None) -> None:
        self.info, self.tags = opened.info, opened.tags
        self.missing_seconds = 0.0
        self._close, self._on_close = opened.close, on_close
        self._blocks = self._checked_blocks(opened.blocks)

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        if self._on_close:
            self._on_close()

    def blocks(self) -> Iterator[Block]:
        """Return the sound in blocks ``(channels, BLOCK_SAMPLES)``, the last shorter.

        The blocks are C-contiguous: int32 with full scale 2^31 where ``info.bit_depth`` is a
        number, else float32 in [-1, 1] nominal.

        Raises:
            AudioFileError: while iterating: no sample decodes; a sample is NaN or infinite; rate or
                channel count change; the disk fails.
        """
        return self._blocks

    def _checked_blocks(self, decoded: Iterator[Block]) -> Iterator[Block]:
        samples = 0
        try:
            for block in reblock(decoded, BLOCK_SAMPLES):
                _check_finite(block, offset=samples, info=self.info)
                samples += block.shape[1]
                yield block
        except AudioFileError:
            raise
        except OSError as error:
            raise _cannot_read(self.info.path, error) from error
        if samples == 0:
            raise AudioFileError(
                f"cannot read '{self.info.path}': not one sample of it decodes; it is empty or "
                "damaged: get the file again"
            )
        self.missing_seconds = _missing_seconds(self.info, samples)


def open_audio(path: Path, *, on_close: Callable[[], None] | None = None) -> AudioReader:
    """Return the file opened for reading.

    Args:
        path: the file.
        on_close: called when the reader has given the file back.

    Raises:
        AudioFileError: it is missing, a folder, not readable, empty, not sound, or holds no sound.
    """
    path = Path(path)
    _check_file(path)
    try:
        # A pipe cannot be looked at first.
        opened = open_sndfile(path) if path.is_file() and knows_magic(path) else None
        if opened is not None:
            opened = replace(opened, tags=_tags(path))
        return AudioReader(opened or open_libav(path), on_close)
    except AudioFileError:
        raise
    except OSError as error:
        raise _cannot_read(path, error) from error


def read_info(path: Path) -> AudioInfo:
    """Return the facts of the file's header.

    Raises:
        AudioFileError: as for `open_audio`.
    """
    with open_audio(path) as reader:
        return reader.info


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return the whole file as a waveform, and its sample rate in Hz.

    Of a file that was cut or is damaged, what decodes; `AudioReader` tells how much is missing.

    Returns:
        ``(channels, samples)`` float32 in [-1, 1] nominal, and Hz.

    Raises:
        AudioFileError: as for `open_audio` and `AudioReader.blocks`.
    """
    with open_audio(path) as reader:
        blocks = [to_float(block) for block in reader.blocks()]
        return np.concatenate(blocks, axis=1), reader.info.sample_rate


def read_streams(path: Path) -> tuple[list[NDArray[np.float32]], int]:
    """Return all sound streams of a container such as ``.stem.mp4``, in file order, and the rate.

    Where a file was cut and its streams end at different samples, all end at the earliest.

    Returns:
        One ``(channels, samples)`` float32 array per stream, of equal lengths, and Hz.

    Raises:
        AudioFileError: as for `open_audio`; or the streams have different sample rates.
    """
    path = Path(path)
    _check_file(path)
    try:
        streams, info = read_all_streams(path)
    except AudioFileError:
        raise
    except OSError as error:
        raise _cannot_read(path, error) from error
    samples = min(stream.shape[1] for stream in streams)
    waveforms = [to_float(stream[:, :samples]) for stream in streams]
    for waveform in waveforms:
        _check_finite(waveform, offset=0, info=info)
    return waveforms, info.sample_rate


def _tags(path: Path) -> Tags:
    """Return the tags of a file that libsndfile reads, of whose tags FFmpeg knows more."""
    try:
        opened = open_libav(path)
    except AudioFileError:
        return Tags()
    opened.close()
    return opened.tags


def _check_file(path: Path) -> None:
    """Raise AudioFileError where there is no readable file with something in it."""
    try:
        empty = path.is_file() and path.stat().st_size == 0
    except (OSError, ValueError) as error:  # a name too long; a zero byte in it
        raise _cannot_read(path, error) from error
    if not path.exists():
        raise AudioFileError(f"cannot read '{path}': no such file; check the name")
    if path.is_dir():
        raise AudioFileError(f"cannot read '{path}': it is a folder; give a sound file")
    if empty:
        raise AudioFileError(f"cannot read '{path}': it is empty (0 bytes); get the file again")


def _cannot_read(path: Path, error: Exception) -> AudioFileError:
    if isinstance(error, PermissionError):
        return AudioFileError(f"cannot read '{path}': not allowed; change the file's permissions")
    reason = getattr(error, "strerror", None) or str(error)
    return AudioFileError(f"cannot read '{path}': {reason}; check the file and the disk")


def _check_finite(block: Block, *, offset: int, info: AudioInfo) -> None:
    first = None if block.dtype == np.int32 else first_non_finite(block)
    if first is None:
        return
    seconds = (offset + first) / info.sample_rate
    raise AudioFileError(
        f"cannot read '{info.path}': it has a non-finite sample (NaN or infinity) at "
        f"{seconds:.3f} s; export it again without it"
    )


def _missing_seconds(info: AudioInfo, decoded: int) -> float:
    missing = ((info.samples or 0) - decoded) / info.sample_rate
    tolerance = LOSSY_TOLERANCE_SECONDS if info.lossy else TOLERANCE_SECONDS
    if missing > tolerance:
        return missing
    return math.nan if info.path.is_file() and ogg_is_cut(info.path) else 0.0
