"""The names of the formats that can be read and written, for people."""

from __future__ import annotations

import av
import soundfile  # type: ignore[import-untyped]

from stemsep.audio.targets import TARGETS, Target

__all__ = ["SOUND_SUFFIXES", "readable_formats", "writable_formats"]

SOUND_SUFFIXES = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .m4a .m4b .aac .aif .aiff .aifc .caf .w64 .rf64 .au "
    ".snd .voc .wma .wv .ape .tta .alac .ac3 .eac3 .dts .amr .mp2 .mpga .mka .mp4 .m4v .mov .mkv "
    ".webm .avi .wmv .3gp .flv .ts .m2ts .mpg .mpeg".split()
)
"""Endings of the files that a folder is searched for; a file given by name may have any."""

SNDFILE_FORMATS = {
    *("AIFF", "AU", "AVR", "CAF", "IRCAM", "NIST", "OGG", "PAF"),
    *("PVF", "RF64", "SVX", "VOC", "W64", "WAV", "XI"),
}
"""The formats of libsndfile that `stemsep.audio.sndfile` gives to it."""

CODECS = {
    "aac": "AAC",
    "ac3": "AC-3",
    "alac": "ALAC",
    "ape": "Monkey's Audio",
    "dca": "DTS",
    "eac3": "E-AC-3",
    "flac": "FLAC",
    "mp3float": "MP3",
    "opus": "Opus",
    "tta": "TTA",
    "vorbis": "Vorbis",
    "wavpack": "WavPack",
    "wmav2": "WMA",
}
"""FFmpeg's decoders of sound that people have, and the names on the box; there are hundreds."""


def readable_formats() -> list[str]:
    """Return short names of formats that this installation reads, sorted, without repetition."""
    names = SNDFILE_FORMATS & set(soundfile.available_formats())
    names |= {name for codec, name in CODECS.items() if codec in av.codecs_available}
    return sorted(names, key=str.casefold)


def writable_formats() -> list[str]:
    """Return the formats that `stemsep.audio.open_writer` writes, with their bit depths."""
    return [f"{name} ({_kinds(target)})" for name, target in TARGETS.items()]


def _kinds(target: Target) -> str:
    if target.lossy:
        return "lossy"
    return ", ".join("32-bit float" if d is None else f"{d}-bit" for d in target.bit_depths)
