"""A sound file -> files of its stems, streamed, complete or not there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from math import inf, log10
from pathlib import Path
from typing import TYPE_CHECKING

from stemsep.audio import AudioInfo, AudioReader, open_audio, reblock, to_float
from stemsep.audio.atomic import remove_leftovers
from stemsep.audio.blocks import excerpt
from stemsep.audio.loudest import loudest_start
from stemsep.audio.pipe import open_stdin
from stemsep.audio.prefetch import Passed, Prefetched
from stemsep.audio.targets import OPUS_RATE
from stemsep.errors import AudioFileError, ParameterError
from stemsep.separation.destinations import Form, folder_for, opened
from stemsep.separation.outputs import (
    STDIO,
    Input,
    OutputConfig,
    output_paths,
    picture_path,
    resolve_bit_depth,
)
from stemsep.separation.pieces import Levels, Piece, Spool, finished, grouped, resampled, shown
from stemsep.separation.residue import OUTPUT_SAMPLES
from stemsep.separation.results import FileResult, Picture, Progress, Timings
from stemsep.separation.stems import choose_stems

if TYPE_CHECKING:
    from stemsep.separation.exact import ExactSeparator
    from stemsep.separation.separator import Separator

__all__ = ["PREVIEW_SECONDS", "Part", "separate_file"]

PREVIEW_SECONDS = 30

BLOCKS_AHEAD = 8
"""Decoded blocks that wait for the network: a chunk's worth."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which part of a song to separate.

    Args:
        start_seconds: where it begins.
        duration_seconds: its length; None is all the rest.
        preview: the loudest `PREVIEW_SECONDS` instead.

    Raises:
        ParameterError: a negative start, a length of 0 or less, or both ways at once.
    """

    start_seconds: float = 0.0
    duration_seconds: float | None = None
    preview: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start_seconds < inf:
            raise ParameterError(f"start = {self.start_seconds} s: it must be 0 or more")
        if self.duration_seconds is not None and not 0 < self.duration_seconds < inf:
            raise ParameterError(f"duration = {self.duration_seconds} s: it must be above 0")
        if self.preview and (self.start_seconds or self.duration_seconds is not None):
            raise ParameterError("preview chooses the part itself: leave start and duration out")


def separate_file(
    separator: Separator | ExactSeparator,
    path: Path,
    output: Path,
    options: OutputConfig,
    *,
    folder: str = "",
    part: Part | None = None,
    progress: Progress | None = None,
    picture: Picture | None = None,
) -> FileResult:
    """Separate one file; see `stemsep.separation.separator.Separator.separate_file`.

    Args:
        separator: the network.
        path: the input; `STDIO` is the standard input.
        output: folder of the stems; `STDIO` is the standard output, for one stem.
        options: what to write and how.
        folder: where the input lies below a folder that was given.
        part: of the song; None is all of it.
        progress: called with the seconds done and, where the file says it, the seconds in all.
        picture: gathers and draws what goes by, into a file beside the stems.
    """
    started = time.monotonic()
    source = Input(path=path, folder=folder)
    stems = choose_stems(options.stems, separator.stems)
    wanted, kept, drawn = _files(source, output, options, stems.written, draw=picture is not None)
    if not wanted and drawn is None:
        return FileResult(path=source.name, written={}, kept=kept)
    timings, levels, names = Timings(), Levels(), tuple(stems.groups)
    with open_stdin() if source.is_stdin else open_audio(path) as reader:
        start, length = _section(part or Part(), source, reader.info)
        info, blocks = reader.info, excerpt(timings.decoded(reader.blocks()), start, length)
        total = _promised(info, start, length)
        if separator.exact:
            info, blocks = separator.prepare(info, blocks)
        form = _form(info, reader, source, start, length, options)
        with Prefetched(blocks, depth=BLOCKS_AHEAD) as ahead:
            decoded = Passed(ahead)
            streamed = separator.stream(
                map(to_float, decoded),
                info.sample_rate,
                progress=progress,
                total_seconds=None if total is None else total / reader.info.sample_rate,
                timings=timings,
            )
            waveforms = (grouped(piece, separator.stems, stems) for piece in streamed)
            mixtures = reblock(decoded.again(), OUTPUT_SAMPLES)
            pieces: Iterator[Piece] = map(Piece, waveforms, mixtures)
            if picture:
                pieces = shown(pieces, names, info.sample_rate, picture)
            sink = _Sink(wanted=wanted, names=names, alone=separator.exact is not None)
            gain = _write(pieces, sink, form, options, levels, timings)
        if picture and drawn:
            with folder_for(drawn.parent):
                picture.save(drawn)
        promised = reader.info.samples
        return FileResult(
            path=source.name,
            written=wanted,
            kept=kept,
            seconds=levels.samples / form.sample_rate,
            seconds_in=None if promised is None else promised / reader.info.sample_rate,
            missing_seconds=reader.missing_seconds,
            clipped=levels.clipped,
            corrected=levels.corrected,
            peak=levels.peak,
            gain_db=20 * log10(gain),
            residual_db=levels.residual_db,
            elapsed=time.monotonic() - started,
            timings=timings,
            picture=drawn,
        )


@dataclass(frozen=True, kw_only=True)
class _Sink:
    """What goes where.

    Args:
        wanted: stem -> file.
        names: of the stems in a piece.
        alone: whether integer stems are rounded each for itself.
    """

    wanted: Mapping[str, Path]
    names: Sequence[str]
    alone: bool


def _write(
    pieces: Iterator[Piece],
    sink: _Sink,
    form: Form,
    options: OutputConfig,
    levels: Levels,
    timings: Timings,
) -> float:
    """Write all pieces; return the gain that they were given."""
    first = next(pieces, None)  # a file that does not decode must not leave an empty folder
    if first is None:
        raise ParameterError(f"'{form.info.path}' ends before the part that was asked for starts")
    pieces, gain = chain([first], pieces), 1.0
    with ExitStack() as stack:
        if options.clip == "gain" or (options.is_mp4 and form.samples is None):
            spool = stack.enter_context(Spool(_existing_folder(sink.wanted)))
            spool.take(pieces)
            if options.clip == "gain":
                gain = _gain(spool.peak, form.bit_depth)
            pieces, form = spool.pieces(gain), replace(form, samples=spool.samples)
        if form.sample_rate != form.info.sample_rate:
            pieces = resampled(pieces, from_rate=form.info.sample_rate, to_rate=form.sample_rate)
        write = stack.enter_context(opened(sink.wanted, form, options))
        for piece in pieces:
            with timings.encoding():
                stems, mixture = finished(piece, form.bit_depth, levels, alone=sink.alone)
                write({"mixture": mixture, **dict(zip(sink.names, stems, strict=True))})
        with timings.encoding():
            stack.close()
    return gain


def _gain(peak: float, bit_depth: int | None) -> float:
    """Return what brings the peak to full scale; 1 where it is not beyond that."""
    highest = 1.0 if bit_depth is None else 1 - 2.0 ** (1 - bit_depth)
    return min(1.0, highest / peak) if peak else 1.0


def _files(
    source: Input, output: Path, options: OutputConfig, written: Sequence[str], *, draw: bool
) -> tuple[dict[str, Path], dict[str, Path], Path | None]:
    """Return the files to write, those to leave alone, and that of the picture to draw.

    Raises:
        AudioFileError: one is there already.
        ParameterError: options that do not fit together.
    """
    if output == STDIO:
        if draw:
            raise ParameterError("a picture needs a folder: give --output one, or leave --plot out")
        return dict.fromkeys(written, STDIO), {}, None
    paths = output_paths(source, output, options, written)
    drawn = picture_path(source, output, options) if draw else None
    for parent in {file.parent for file in paths.values()}:
        remove_leftovers(parent)
    kept = {stem: file for stem, file in paths.items() if os.path.lexists(file)}
    there = [file for file in (*kept.values(), drawn) if file and os.path.lexists(file)]
    if there and options.existing == "error":
        raise AudioFileError(
            f"'{source.name}': '{there[0]}' is there already; use --overwrite or --skip-existing"
        )
    kept = kept if options.existing == "skip" else {}
    wanted = {stem: file for stem, file in paths.items() if stem not in kept}
    return wanted, kept, None if not wanted and drawn in there else drawn


def _section(part: Part, source: Input, info: AudioInfo) -> tuple[int, int | None]:
    """Return the first sample of a part, and its length where that is not all the rest."""
    rate = info.sample_rate
    if part.preview:
        if source.is_stdin:
            raise ParameterError("the loudest part of a pipe is not known: use --start, --duration")
        with open_audio(source.path) as reader:
            start = loudest_start(reader.blocks(), rate, seconds=PREVIEW_SECONDS)
        return start, PREVIEW_SECONDS * rate
    length = part.duration_seconds
    return round(part.start_seconds * rate), None if length is None else max(
        1, round(length * rate)
    )


def _form(
    info: AudioInfo,
    reader: AudioReader,
    source: Input,
    start: int,
    length: int | None,
    options: OutputConfig,
) -> Form:
    """Return what is written of a part.

    Raises:
        ParameterError: the format cannot hold it.
    """
    depth = resolve_bit_depth(info, options)
    samples = _promised(info, start, length)
    if options.is_mp4:
        # Its start depends on its end. Headers of lossy files may be wrong, so count.
        samples = None
        if not source.is_stdin and info is reader.info:
            with open_audio(source.path) as counted:
                blocks = excerpt(counted.blocks(), start, length)
                samples = sum(block.shape[1] for block in blocks)
    rate = OPUS_RATE if options.format == "opus" else info.sample_rate
    return Form(info=info, sample_rate=rate, bit_depth=depth, samples=samples, tags=reader.tags)


def _promised(info: AudioInfo, start: int, length: int | None) -> int | None:
    """Return how many samples of a part there are, as the header says."""
    if info.samples is None:
        return None
    rest = max(0, info.samples - start)
    return rest if length is None else min(rest, length)


def _existing_folder(wanted: Mapping[str, Path]) -> Path | None:
    """Return the nearest folder of the files that is there; None for the standard output."""
    file = next(iter(wanted.values()))
    return None if file == STDIO else next(p for p in file.absolute().parents if p.is_dir())
