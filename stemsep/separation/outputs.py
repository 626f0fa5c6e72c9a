"""Which files the stems of a song go to, in what format, and what is already there."""

from __future__ import annotations

import os
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemsep.audio import AudioInfo
from stemsep.audio.pipe import STDIN
from stemsep.audio.stem_file import STEM_ORDER
from stemsep.audio.targets import TARGETS, OutputFormat, check_writable, parse_bitrate
from stemsep.errors import ParameterError, check_choices

__all__ = [
    "STDIO",
    "STEM_FILE",
    "Input",
    "OutputConfig",
    "find_clashes",
    "output_paths",
    "picture_path",
    "resolve_bit_depth",
    "stem_paths",
]

STDIO = Path("-")
"""As an input the standard input, as the output the standard output."""

STEM_FILE = "stems"
"""What the one stem of a stem file is called, which holds all of them."""

PICTURE = "spectrogram"
"""What stands for ``{stem}`` in the name of a picture."""

FIELDS = ("track", "stem", "ext", "folder")


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """What to write of a song, and how.

    Args:
        stems: ``None`` for all of the network's, 2 for vocals and accompaniment, the number of
            the network's stems, or names (a sequence, or separated by commas).
        format: of the files; ``stem.mp4`` is one file with the mixture and four stems.
        bitrate: of a lossy format, such as ``"192k"``.
        bit_depth: ``"auto"`` is the input's for integer sound (16 for 8-bit), 16 for lossy and 32
            float for float sound (24 in FLAC, which has no float). Lossy formats have none.
        template: path of a stem's file below the output folder; fields ``{track}`` (the input's
            name without its ending), ``{stem}``, ``{ext}`` and ``{folder}`` (where below a given
            folder the input was found). ``None`` is ``{track}/{stem}.{ext}``, and ``{track}.{ext}``
            for ``stem.mp4``.
        existing: what to do about files that are there: ``"error"``, ``"skip"`` them or
            ``"overwrite"`` them.
        clip: what to do where a stem would be beyond full scale in integers, or in a lossy format:
            ``"limit"`` gives what is too much to the other stems (integers) or leaves it (lossy);
            ``"gain"`` makes the mixture and all stems quieter by one factor.

    Raises:
        ParameterError: an unknown choice, a template with unknown fields or none for the stem.
    """

    stems: str | int | Sequence[str] | None = None
    format: OutputFormat = "wav"
    bitrate: str | int | None = None
    bit_depth: Literal["auto", "16", "24", "32f"] = "auto"
    template: str | None = None
    existing: Literal["error", "skip", "overwrite"] = "error"
    clip: Literal["limit", "gain"] = "limit"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.format == "flac" and self.bit_depth == "32f":
            raise ParameterError("FLAC holds no 32-bit float: use bit depth 24, or format wav")
        if self.lossy and self.bit_depth != "auto":
            raise ParameterError(f"{self.format} has no bit depth: leave it out, or use bit rate")
        if self.bitrate is not None:
            parse_bitrate(self.bitrate, self.format)
        _check_template(self.placed)

    @property
    def lossy(self) -> bool:
        """Whether the format loses something."""
        return TARGETS[self.format].lossy

    @property
    def is_stem_file(self) -> bool:
        """Whether all stems go into one file."""
        return self.format == "stem.mp4"

    @property
    def is_mp4(self) -> bool:
        """Whether it is an MP4 file, whose start depends on where its sound ends."""
        return self.format in ("m4a", "stem.mp4")

    @property
    def placed(self) -> str:
        """The template, the format's own where none was given."""
        default = "{track}.{ext}" if self.is_stem_file else "{track}/{stem}.{ext}"
        return default if self.template is None else self.template

    def bits_per_second(self) -> int | None:
        """Return the bit rate as a number, where one was given."""
        return None if self.bitrate is None else parse_bitrate(self.bitrate, self.format)


@dataclass(frozen=True, kw_only=True)
class Input:
    """A sound file to separate.

    Args:
        path: the file; `STDIO` is the standard input.
        folder: where it lies below the folder that was given, ``""`` for a file given by name.
    """

    path: Path
    folder: str = ""

    @property
    def is_stdin(self) -> bool:
        """Whether it is the standard input."""
        return self.path == STDIO

    @property
    def name(self) -> Path:
        """What messages call it."""
        return STDIN if self.is_stdin else self.path


def stem_paths(
    source: Input,
    output: Path,
    options: OutputConfig,
    stems: Iterable[str],
    extension: str = "",
) -> dict[str, Path]:
    """Return stem -> file that the template gives for the stems of an input.

    The extension is the format's, or another where one is given.

    Raises:
        ParameterError: a file would lie outside ``output``.
    """
    track = source.name.stem
    if not track.strip("."):  # a name such as '...wav' must not climb out of the folder
        track = source.name.name
    values = {"track": track, "ext": extension or options.format, "folder": source.folder or "."}
    paths = {stem: output / options.placed.format(stem=stem, **values) for stem in stems}
    if any(".." in path.relative_to(output).parts for path in paths.values()):
        raise ParameterError(
            f"template '{options.placed}': '{source.path}' would leave the output folder"
        )
    return paths


def output_paths(
    source: Input, output: Path, options: OutputConfig, stems: Iterable[str]
) -> dict[str, Path]:
    """Return stem -> file that the stems of an input are written to.

    Raises:
        ParameterError: a file would lie outside ``output``, two stems would go to the same file,
            one to the input itself, or stems to a stem file that are not its four.
    """
    if options.is_stem_file:
        _check_stem_file(stems)
        stems = [STEM_FILE]
    paths = stem_paths(source, output, options, stems)
    if len(set(paths.values())) < len(paths):
        raise ParameterError(f"template '{options.placed}': put {{stem}} into it")
    if os.path.realpath(source.path) in map(os.path.realpath, paths.values()):
        raise ParameterError(
            f"a stem of '{source.path}' would replace it: choose another --output or --template"
        )
    return paths


def picture_path(source: Input, output: Path, options: OutputConfig) -> Path:
    """Return the file of an input's picture, which the template places like a stem."""
    return stem_paths(source, output, options, [PICTURE], extension="png")[PICTURE]


def find_clashes(planned: Mapping[Input, Collection[Path]]) -> list[str]:
    """Return one line for each pair of inputs of which one would write over the other's files."""
    inputs = {os.path.realpath(source.path): source.path for source in planned}
    owner: dict[Path, Path] = {}
    lines = []
    for source, paths in planned.items():
        over = next((path for path in paths if os.path.realpath(path) in inputs), None)
        if over is not None:
            lines.append(
                f"a stem of '{source.path}' would replace the input '{over}': "
                "choose another --output or --template"
            )
        clash = next((path for path in paths if path in owner), None)
        if clash is not None:
            lines.append(
                f"'{owner[clash]}' and '{source.path}' would both be written to '{clash}': "
                "rename one, or use --template with {folder} or another name"
            )
        owner.update(dict.fromkeys(paths, source.path))
    return lines


def resolve_bit_depth(info: AudioInfo, options: OutputConfig) -> int | None:
    """Return the bits a sample to write, ``None`` for 32-bit float.

    Raises:
        ParameterError: the format cannot hold the sound's rate or number of channels.
    """
    depth: int | None
    if options.lossy:
        depth = None
    elif options.bit_depth != "auto":
        depth = None if options.bit_depth == "32f" else int(options.bit_depth)
    elif info.lossy:
        depth = 16
    else:
        depth = None if info.bit_depth is None else max(16, info.bit_depth)
        if options.format == "flac":
            depth = min(24, depth or 24)
    check_writable(options.format, info.sample_rate, info.channels, depth)
    return depth


def _check_stem_file(stems: Iterable[str]) -> None:
    """Return if these stems make a stem file.

    Raises:
        ParameterError: they are not its four.
    """
    if sorted(stems) != sorted(STEM_ORDER):
        raise ParameterError(
            f"a stem file holds {', '.join(STEM_ORDER)}, not {', '.join(stems)}: "
            "leave --stems out, or choose another format"
        )


def _check_template(template: str) -> None:
    try:
        parsed = [part[1:] for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ParameterError(f"template '{template}': {error}") from error
    fields = ", ".join(f"{{{name}}}" for name in FIELDS)
    for name, form, conversion in parsed:
        if name not in FIELDS:
            raise ParameterError(f"template '{template}': no field {{{name}}}; use {fields}")
        if form or conversion:
            raise ParameterError(f"template '{template}': plain fields only: {fields}")
    if ".." in Path(template).parts or Path(template).is_absolute():
        raise ParameterError(f"template '{template}': it must stay below the output folder")
