"""Sound files -> blocks with libsndfile: WAV and its relatives, AIFF, CAF, AU, Ogg and old formats.

FLAC and MP3 go to FFmpeg although libsndfile knows them: it stops at the first damaged frame, and
its MP3 decoder writes to the standard error output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

from stemsep.audio.blocks import turned
from stemsep.audio.info import AudioInfo, Block, OpenedAudio
from stemsep.audio.promise import promised_bytes

__all__ = ["knows_magic", "open_sndfile"]

MAGIC = (
    *(b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"dns.", b"OggS"),
    *(b"Creative Voice File", b"NIST_1A", b"Extended Instrument", b"MATLAB", b"2BIT", b"PVF1"),
    *(b" paf", b"fap ", b"\x00\x00\xa3\x64", b"\x64\xa3\x00\x00"),
)

BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
BITS |= {"ALAC_16": 16, "ALAC_20": 24, "ALAC_24": 24, "ALAC_32": 32}
BITS |= {"DPCM_8": 8, "DPCM_16": 16, "DWVW_12": 16, "DWVW_16": 16, "DWVW_24": 24}
SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
SAMPLE_BYTES |= {"FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}
READ_SAMPLES = 16384  # not large: what a failing read had decoded is lost


def knows_magic(path: Path) -> bool:
    """Return whether the first bytes are those of a format for libsndfile.

    libsndfile itself is not asked, as it takes many a file for MP3 and then complains on the
    standard error output.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return file.read(32).startswith(MAGIC)


def open_sndfile(path: Path) -> OpenedAudio | None:
    """Return the opened file; None where libsndfile cannot read it or sees no samples in it."""
    # An absolute path, since "-" would be the standard input; as bytes, since the name may not be
    # text. Windows takes text only.
    name = path.absolute()
    try:
        file = soundfile.SoundFile(str(name) if sys.platform == "win32" else os.fsencode(name))
    except soundfile.LibsndfileError:
        return None
    if file.frames == 0:  # also a WAV from a pipe with size 0, which FFmpeg reads to its end
        file.close()
        return None
    bit_depth = BITS.get(file.subtype)
    info = AudioInfo(
        path=path,
        sample_rate=file.samplerate,
        channels=file.channels,
        samples=_promised_samples(path, file),
        bit_depth=bit_depth,
        lossy=bit_depth is None and file.subtype not in ("FLOAT", "DOUBLE"),
    )
    return OpenedAudio(info=info, blocks=_blocks(file, bit_depth), close=file.close)


def _promised_samples(path: Path, file: soundfile.SoundFile) -> int:
    present: int = file.frames
    size = promised_bytes(path)
    sample_bytes = SAMPLE_BYTES.get(file.subtype)
    if size is None or sample_bytes is None:
        return present
    channels: int = file.channels
    return max(present, size // (sample_bytes * channels))


def _blocks(file: soundfile.SoundFile, bit_depth: int | None) -> Iterator[Block]:
    dtype = "float32" if bit_depth is None else "int32"
    with suppress(soundfile.LibsndfileError):  # damaged from there on
        while True:
            block = file.read(READ_SAMPLES, dtype=dtype, always_2d=True)  # (samples, channels)
            if len(block) == 0:
                return
            yield turned(block)
