"""Songs one after the other, or several at once: separate each, say what became of it."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.interrupt import interrupt_between_blocks
from stemsep.cli.options import one_line
from stemsep.cli.progress import Songs, songs_progress

if TYPE_CHECKING:
    from stemsep.separation import FileResult, OutputConfig, Part, Separator
    from stemsep.separation.exact import ExactSeparator
    from stemsep.separation.outputs import Input

__all__ = ["Run", "separate_all"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What holds for all songs of a run.

    Args:
        separator: the network.
        output: folder of the stems, or the standard output.
        settings: what to write.
        part: of each song.
        load_seconds: what loading the network took.
        jobs: songs at once.
        plot: whether each song is drawn.
        quiet: say nothing but errors.
        verbose: name each file.
        debug: show tracebacks.
    """

    separator: Separator | ExactSeparator
    output: Path
    settings: OutputConfig
    part: Part
    load_seconds: float
    jobs: int
    plot: bool
    quiet: bool
    verbose: bool
    debug: bool


def separate_all(run: Run, songs: Sequence[Input], entries: list[dict[str, Any]]) -> None:
    """Separate all songs; append what became of each, for a report."""
    with interrupt_between_blocks() as check, songs_progress(show=not run.quiet) as progress:
        if run.jobs == 1:
            for song in songs:
                entries.append(_separate(run, song, progress, check))
                check()
            return
        with ThreadPoolExecutor(run.jobs) as pool:
            jobs = [pool.submit(_separate, run, song, progress, check) for song in songs]
            try:
                entries.extend(job.result() for job in jobs)
                check()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _separate(run: Run, song: Input, progress: Songs, check: Callable[[], None]) -> dict[str, Any]:
    """Separate one song and say what became of it."""
    from stemsep.separation.files import separate_file
    from stemsep.separation.report import done_entry, failed_entry

    check()
    try:
        with progress(song.name.name) as update:

            def tell(done: float, total: float | None) -> None:
                check()
                update(done, total)

            result = separate_file(
                run.separator,
                song.path,
                run.output,
                run.settings,
                folder=song.folder,
                part=run.part,
                progress=tell,
                picture=_picture(song.name.name) if run.plot else None,
            )
            check()
    except Exception as error:  # one bad song must not end the others
        if run.debug:
            traceback.print_exc()
        text = one_line(error)
        name = "" if str(song.name) in text else f"'{song.name}': "
        click.echo(f"Error: {name}{text}", err=True)
        return failed_entry(song.name, f"{name}{text}")
    _show_result(run, result)
    return done_entry(result, load_seconds=run.load_seconds)


def _picture(title: str) -> Any:
    from stemsep.plotting.spectrogram import StemPicture

    return StemPicture(title)


def _show_result(run: Run, result: FileResult) -> None:
    for warning in _warnings(run, result):
        click.echo(f"Warning: '{result.path}'{warning}", err=True)
    if run.quiet:
        return
    if not result.written and not result.picture:
        click.echo(f"{result.path}: all stems are there already, left alone", err=True)
    else:
        speed = result.seconds / max(1e-6, result.elapsed)
        click.echo(
            f"{result.path}: {_what_and_where(run, result)} "
            f"({result.seconds:.1f} s of sound in {result.elapsed:.1f} s, {speed:.1f} x real time)",
            err=True,
        )
    if run.verbose:
        for verb, paths in (("wrote", result.written), ("kept", result.kept)):
            for path in paths.values():
                click.echo(f"  {verb} {path}", err=True)
        if result.picture:
            click.echo(f"  drew {result.picture}", err=True)


def _what_and_where(run: Run, result: FileResult) -> str:
    if str(run.output) == "-":
        return f"{', '.join(result.written)} to the standard output"
    files = [*result.written.values(), *([result.picture] if result.picture else [])]
    return f"{', '.join(result.written) or 'picture'} in '{files[0].parent}'"


def _warnings(run: Run, result: FileResult) -> list[str]:
    lines = []
    if result.missing_seconds:
        missing = f"{result.missing_seconds:.2f} s of it are"
        if math.isnan(result.missing_seconds):
            missing = "its end is (how much is not known)"
        lines.append(
            f" is cut short: {missing} missing; the {result.seconds:.2f} s that decode "
            "were separated"
        )
    if result.clipped:
        lines.append(
            f": {result.clipped} samples are beyond full scale and were limited; "
            "--bit-depth 32f keeps them, --clip gain makes all stems quieter"
        )
    if result.gain_db and not run.quiet:
        lines.append(f": made quieter by {-result.gain_db:.2f} dB, all stems alike")
    return lines
