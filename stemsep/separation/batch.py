"""Many sound files: find them, and see before any work that their stems do not collide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.errors import ParameterError
from stemsep.separation.outputs import Input, OutputConfig, find_clashes, output_paths
from stemsep.separation.stems import choose_stems

__all__ = ["check_plan", "find_inputs"]


def find_inputs(paths: Iterable[Path], *, output: Path) -> tuple[list[Input], list[ParameterError]]:
    """Return the sound files given by name or lying below given folders, each once.

    Args:
        paths: files and folders; folders are searched to any depth, hidden files left out.
        output: folder of the stems; what lies there is no input.

    Returns:
        The inputs, and an error for each folder without a sound file.
    """
    found: dict[Path, Input] = {}
    errors = []
    for path in paths:
        if not path.is_dir():
            found.setdefault(path.resolve(), Input(path=path))
            continue
        files = [f for f in _sound_files(path) if output.resolve() not in f.resolve().parents]
        for file in files:
            folder = file.parent.relative_to(path).as_posix()
            found.setdefault(file.resolve(), Input(path=file, folder=folder))
        if not files:
            errors.append(
                ParameterError(f"no sound files in the folder '{path}': give one that has some")
            )
    return list(found.values()), errors


def check_plan(
    inputs: Sequence[Input], output: Path, options: OutputConfig, available: Sequence[str]
) -> None:
    """Make sure, before any work, that no two inputs write to the same file.

    Args:
        inputs: the files to separate.
        output: folder of the stems.
        options: what to write.
        available: the network's stems.

    Raises:
        ParameterError: two inputs with the same output path (all such pairs are named), or
            options that do not fit together.
    """
    stems = choose_stems(options.stems, available).written
    planned = {i: list(output_paths(i, output, options, stems).values()) for i in inputs}
    clashes = find_clashes(planned)
    if clashes:
        raise ParameterError("; ".join(clashes))


def _sound_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SOUND_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
