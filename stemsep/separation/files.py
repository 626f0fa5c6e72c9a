"""A sound file -> files of its stems, streamed, complete or not there."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import (
    AudioInfo,
    AudioWriter,
    open_audio,
    open_writer,
    reblock,
    to_float,
    to_steps,
)
from stemsep.audio.atomic import partial_file, remove_leftovers
from stemsep.errors import AudioFileError, StemsepError
from stemsep.separation.outputs import (
    Input,
    OutputConfig,
    output_paths,
    picture_path,
    resolve_bit_depth,
)
from stemsep.separation.residue import OUTPUT_SAMPLES, quantise
from stemsep.separation.stems import StemSet, choose_stems

if TYPE_CHECKING:
    from stemsep.separation.exact import ExactSeparator
    from stemsep.separation.separator import Separator

__all__ = ["FileResult", "Picture", "Progress", "separate_file"]

Progress = Callable[[float, float | None], None]
"""Called now and then with the seconds of sound that are done, and all of them where known."""


_Pair: TypeAlias = tuple[NDArray[np.float32], NDArray[Any]]
"""Stems ``(stems, channels, samples)`` and the samples of the file that they were made from."""


class Picture(Protocol):
    """What draws a song and its stems, as `stemsep.plotting.spectrogram.StemPicture` does."""

    def add(self, sample_rate: int, parts: Mapping[str, NDArray[np.float32]]) -> None:
        """Append a piece of the mixture and of each stem: name -> ``(channels, samples)``."""

    def save(self, path: Path) -> None:
        """Write the picture."""


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of one sound file.

    Args:
        path: the input.
        written: stem -> file, those that were written now.
        kept: stem -> file, those that were there already and left alone.
        seconds: length of the sound that was separated.
        missing_seconds: what a cut file promised and does not hold; NaN where that is not known.
        clipped: samples of a lossy or float mixture beyond the range of integer output.
        elapsed: seconds that it took.
        picture: the file of the picture, where one was drawn.
    """

    path: Path
    written: Mapping[str, Path]
    kept: Mapping[str, Path]
    seconds: float = 0.0
    missing_seconds: float = 0.0
    clipped: int = 0
    elapsed: float = 0.0
    picture: Path | None = None


def separate_file(
    separator: Separator | ExactSeparator,
    path: Path,
    output: Path,
    options: OutputConfig,
    *,
    folder: str = "",
    progress: Progress | None = None,
    picture: Picture | None = None,
) -> FileResult:
    """Separate one file; see `stemsep.separation.separator.Separator.separate_file`.

    Args:
        separator: the network.
        path: the input.
        output: folder of the stems.
        options: what to write and how.
        folder: where the input lies below a folder that was given.
        progress: called with the seconds done and, where the file says it, the seconds in all.
        picture: gathers and draws what goes by, into a file beside the stems.
    """
    started = time.monotonic()
    stems = choose_stems(options.stems, separator.stems)
    source = Input(path=path, folder=folder)
    paths = output_paths(source, output, options, stems.written)
    drawn = picture_path(source, output, options) if picture else None
    for parent in {file.parent for file in paths.values()}:
        remove_leftovers(parent)
    kept = {stem: file for stem, file in paths.items() if os.path.lexists(file)}
    there = [file for file in (*kept.values(), drawn) if file and os.path.lexists(file)]
    if there and options.existing == "error":
        raise AudioFileError(
            f"'{path}': '{there[0]}' is there already; use --overwrite or --skip-existing"
        )
    kept = kept if options.existing == "skip" else {}
    wanted = {stem: file for stem, file in paths.items() if stem not in kept}
    if not wanted and (drawn is None or drawn in there):
        return FileResult(path=path, written={}, kept=kept)
    with open_audio(path) as reader:
        info, blocks = reader.info, reader.blocks()
        total = info.samples / info.sample_rate if info.samples else None
        if separator.exact:
            info, blocks = separator.prepare(info, blocks)
        depth = resolve_bit_depth(info, options)
        originals, decoded = itertools.tee(blocks)
        pieces = separator.stream(
            map(to_float, decoded),
            info.sample_rate,
            progress=progress,
            total_seconds=total,
        )
        grouped = (_group(piece, separator.stems, stems) for piece in pieces)
        names = tuple(stems.groups)
        pairs: Iterable[_Pair] = zip(grouped, reblock(originals, OUTPUT_SAMPLES), strict=True)
        if picture:
            pairs = _shown(pairs, names, info.sample_rate, picture)
        alone = separator.exact is not None
        samples, clipped = _write(pairs, wanted, names, info, depth, options, alone=alone)
        if picture and drawn:
            drawn.parent.mkdir(parents=True, exist_ok=True)
            picture.save(drawn)
        return FileResult(
            path=path,
            written=wanted,
            kept=kept,
            seconds=samples / info.sample_rate,
            missing_seconds=reader.missing_seconds,
            clipped=clipped,
            elapsed=time.monotonic() - started,
            picture=drawn,
        )


def _group(
    piece: Mapping[str, Tensor], names: Sequence[str], stems: StemSet
) -> NDArray[np.float32]:
    """Return ``(groups, channels, samples)``: the stems that were asked for, and the rest."""
    waveforms = [piece[name].numpy() for name in names]
    summed = [sum(waveforms[index] for index in members) for members in stems.groups.values()]
    return np.stack(summed).astype(np.float32)


def _shown(
    pairs: Iterable[_Pair], names: Sequence[str], sample_rate: int, picture: Picture
) -> Iterator[_Pair]:
    """Pass pieces on and show each to the picture."""
    for grouped, original in pairs:
        parts = dict(zip(names, grouped, strict=True))
        picture.add(sample_rate, {"mixture": to_float(original), **parts})
        yield grouped, original


def _write(
    pairs: Iterable[_Pair],
    wanted: Mapping[str, Path],
    names: Sequence[str],
    info: AudioInfo,
    depth: int | None,
    options: OutputConfig,
    *,
    alone: bool,
) -> tuple[int, int]:
    """Write all pieces; return the number of samples and of clipped ones.

    Integer stems together are the mixture, or each is rounded ``alone``.
    """
    pairs = iter(pairs)
    first = next(pairs)  # a file that does not decode must not leave an empty folder
    samples = clipped = 0
    with _files(wanted, info, depth, options) as writers:
        for grouped, original in itertools.chain([first], pairs):
            samples += original.shape[-1]
            out: NDArray[Any] = grouped
            if depth is not None:
                steps, beyond = to_steps(grouped if alone else original, depth)
                clipped += beyond
                out = steps if alone else quantise(grouped, steps, depth)
            for stem, writer in writers.items():
                writer.write(out[names.index(stem)])
    return samples, clipped


@contextmanager
def _files(
    wanted: Mapping[str, Path], info: AudioInfo, depth: int | None, options: OutputConfig
) -> Iterator[dict[str, AudioWriter]]:
    """Give a writer for each stem; all are complete before the first gets its final name."""
    try:
        with ExitStack() as renames, ExitStack() as writers:
            opened = {}
            for stem, final in wanted.items():
                renames.enter_context(_folder(final.parent))
                temporary = renames.enter_context(partial_file(final))
                writer = open_writer(
                    temporary,
                    format=options.format,
                    sample_rate=info.sample_rate,
                    channels=info.channels,
                    bit_depth=depth,
                    samples=info.samples,
                    name=final,
                )
                opened[stem] = writers.enter_context(writer)
            yield opened
    except StemsepError:
        raise
    except OSError as error:
        raise AudioFileError(
            f"cannot write the stems of '{info.path}': {error.strerror or error}; "
            "check the output folder, the free space and the length of the names"
        ) from error


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
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
