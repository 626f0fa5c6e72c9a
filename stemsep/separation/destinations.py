"""Where the stems of a song go: a file each, one stem file, or the standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.audio import AudioInfo, open_writer, partial_file
from stemsep.audio.stem_file import STEM_ORDER, open_stem_file
from stemsep.audio.tags import Tags
from stemsep.audio.write import open_stdout
from stemsep.errors import AudioFileError, StemsepError
from stemsep.separation.outputs import STDIO, OutputConfig

__all__ = ["Form", "folder_for", "opened"]

Write = Callable[[Mapping[str, NDArray[Any]]], None]
"""Takes the next piece of each sound: name (of a stem, or "mixture") -> ``(channels, samples)``."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What the written sound is like.

    Args:
        info: the input.
        sample_rate: Hz, of what is written.
        bit_depth: None is 32-bit float, also for lossy formats.
        samples: how many per channel, where that is known for sure.
        tags: of the music.
    """

    info: AudioInfo
    sample_rate: int
    bit_depth: int | None
    samples: int | None
    tags: Tags


@contextmanager
def opened(wanted: Mapping[str, Path], form: Form, options: OutputConfig) -> Iterator[Write]:
    """Give what writes pieces of stems; all files are complete before the first gets its name.

    Args:
        wanted: stem -> its file, or `STDIO`.
        form: of what is written.
        options: the format.

    Raises:
        AudioFileError: a file cannot be written.
    """
    try:
        with ExitStack() as renames, ExitStack() as writers:
            if options.is_stem_file:
                (final,) = wanted.values()
                yield _open_stem_file(final, form, options, renames, writers)
                return
            each: dict[str, Callable[[NDArray[Any]], None]] = {}
            for stem, final in wanted.items():
                writer = (
                    open_stdout(
                        format=options.format,
                        sample_rate=form.sample_rate,
                        channels=form.info.channels,
                        bit_depth=form.bit_depth,
                        tags=form.tags,
                    )
                    if final == STDIO
                    else open_writer(
                        _temporary(final, renames),
                        format=options.format,
                        sample_rate=form.sample_rate,
                        channels=form.info.channels,
                        bit_depth=form.bit_depth,
                        samples=form.samples,
                        bitrate=options.bits_per_second(),
                        tags=form.tags,
                        name=final,
                    )
                )
                each[stem] = writers.enter_context(writer).write

            def write(pieces: Mapping[str, NDArray[Any]]) -> None:
                for stem, write_stem in each.items():
                    write_stem(pieces[stem])

            yield write
    except StemsepError:
        raise
    except OSError as error:
        raise AudioFileError(
            f"cannot write the stems of '{form.info.path}': {error.strerror or error}; "
            "check the output folder, the free space and the length of the names"
        ) from error


def _open_stem_file(
    final: Path, form: Form, options: OutputConfig, renames: ExitStack, writers: ExitStack
) -> Write:
    writer = writers.enter_context(
        open_stem_file(
            _temporary(final, renames),
            sample_rate=form.sample_rate,
            channels=form.info.channels,
            samples=form.samples,
            bitrate=options.bits_per_second(),
            tags=form.tags,
            name=final,
        )
    )
    return lambda pieces: writer.write(np.stack([pieces[n] for n in ("mixture", *STEM_ORDER)]))


def _temporary(final: Path, renames: ExitStack) -> Path:
    renames.enter_context(folder_for(final.parent))
    return renames.enter_context(partial_file(final))


@contextmanager
def folder_for(folder: Path) -> Iterator[None]:
    """Make a folder; if the block fails, remove those that were made and are empty."""
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise
