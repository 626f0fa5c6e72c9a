"""Many sound files: find them, and see before any work that their stems do not collide."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path

from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.errors import AudioFileError, ParameterError, StemsepError
from stemsep.separation.outputs import (
    STDIO,
    Input,
    OutputConfig,
    find_clashes,
    output_paths,
    stem_paths,
)
from stemsep.separation.stems import ACCOMPANIMENT, choose_stems

__all__ = ["find_inputs", "plan"]


def find_inputs(paths: Iterable[Path], *, output: Path) -> tuple[list[Input], list[StemsepError]]:
    """Return the sound files given by name or lying below given folders, each once.

    Args:
        paths: files, folders and patterns such as ``*.mp3`` (``**`` is any depth), and `STDIO`;
            folders are searched to any depth, hidden files left out.
        output: folder of the stems; one that lies below a given folder is not searched.

    Returns:
        The inputs, and an error for each path or folder that cannot be looked at or has no sound.
    """
    found: dict[str, Input] = {}
    errors: list[StemsepError] = []
    for path in paths:
        if path == STDIO:
            found.setdefault(str(path), Input(path=path))
            continue
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name too long
            matching = [] if os.path.lexists(path) else _matching(path)
            if matching:  # a pattern that the shell has not expanded
                more, refused_more = find_inputs(matching, output=output)
                for source in more:
                    found.setdefault(os.path.abspath(source.path), source)  # noqa: PTH100
                errors += refused_more
                continue
            found.setdefault(os.path.abspath(path), Input(path=path))  # noqa: PTH100
            continue
        refused: list[OSError] = []
        files = list(_sound_files(path, output, refused))
        for file in files:
            folder = file.parent.relative_to(path).as_posix()
            found.setdefault(os.path.abspath(file), Input(path=file, folder=folder))  # noqa: PTH100
        errors += [
            AudioFileError(f"cannot look into '{e.filename}': {e.strerror}; change its permissions")
            for e in refused
        ]
        if not files and not refused:
            errors.append(
                ParameterError(f"no sound files in the folder '{path}': give one that has some")
            )
    return list(found.values()), errors


def _matching(pattern: Path) -> list[Path]:
    """Return what a pattern with ``*``, ``?``, ``[…]`` or ``**`` stands for, in order."""
    return [Path(name) for name in sorted(glob(str(pattern), recursive=True))]  # noqa: PTH207


def plan(
    inputs: Sequence[Input], output: Path, options: OutputConfig, available: Sequence[str]
) -> list[Input]:
    """Return the inputs to separate, having made sure that no file is written twice or over one.

    Stems of an earlier run that lie among the inputs, found in a folder, are left out.

    Args:
        inputs: the files found.
        output: folder of the stems.
        options: what to write.
        available: the network's stems.

    Raises:
        ParameterError: two inputs with the same output path (all such pairs are named), a stem
            that would replace an input, or options that do not fit together.
    """
    written = choose_stems(options.stems, available).written
    if output == STDIO:
        _check_stdout(inputs, options, written)
        return list(inputs)
    names = {*available, ACCOMPANIMENT}
    stems_of_all = {
        os.path.abspath(path)  # noqa: PTH100
        for source in inputs
        for path in stem_paths(source, output, options, names).values()
    }
    songs = [
        source
        for source in inputs
        if not source.folder or os.path.abspath(source.path) not in stems_of_all  # noqa: PTH100
    ]
    planned = {s: list(output_paths(s, output, options, written).values()) for s in songs}
    clashes = find_clashes(planned)
    if clashes:
        raise ParameterError("; ".join(clashes))
    return songs


def _check_stdout(inputs: Sequence[Input], options: OutputConfig, written: Sequence[str]) -> None:
    if len(inputs) > 1 or len(written) > 1 or options.format not in ("wav", "flac"):
        problem = (
            f"{len(inputs)} inputs"
            if len(inputs) > 1
            else f"{len(written)} stems"
            if len(written) > 1
            else f"the format {options.format}"
        )
        raise ParameterError(
            f"{problem} cannot go to the standard output: give one input, one stem (such as "
            "--stems vocals), and format wav or flac"
        )


def _sound_files(folder: Path, output: Path, refused: list[OSError]) -> Iterator[Path]:
    """Yield the sound files below a folder in order; broken links too, to be named as such."""
    skipped = os.path.realpath(output)
    for root, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(Path(root, name)) != skipped
        )
        for name in sorted(files):
            if Path(name).suffix.lower() in SOUND_SUFFIXES and not name.startswith("."):
                yield Path(root, name)
