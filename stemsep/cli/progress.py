"""Progress of long work, on stderr: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = [
    "Songs",
    "Update",
    "count_progress",
    "songs_progress",
    "track_progress",
    "transfer_progress",
]

LINE_SECONDS = 10.0
"""Seconds between plain lines."""

Update: TypeAlias = Callable[[float, float | None], None]
"""Takes the seconds of a song that are done, and all of them where that is known."""

Songs: TypeAlias = Callable[[str], AbstractContextManager[Update]]
"""Takes the name of a song and gives what shows how far it is."""


@contextmanager
def songs_progress(*, show: bool) -> Iterator[Songs]:
    """Give what shows how far songs are, how fast they go and how long they will take.

    Several songs may be under way at once, in threads.
    """
    if not show:
        yield _silent
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield partial(_bar, progress)
    else:
        yield _lines


@contextmanager
def _silent(name: str) -> Iterator[Update]:  # noqa: ARG001
    yield lambda _done, _total: None


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        Remaining(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def _bar(progress: Progress, name: str) -> Iterator[Update]:
    from rich.markup import escape

    started = time.monotonic()
    task = progress.add_task(escape(name), total=None, speed="")

    def update(done: float, total: float | None) -> None:
        progress.update(task, completed=done, total=total, speed=_speed(done, started))

    try:
        yield update
    finally:
        progress.remove_task(task)


@contextmanager
def _lines(name: str) -> Iterator[Update]:
    started = last = time.monotonic()

    def update(done: float, total: float | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_SECONDS:
            return
        last = now
        rest = ""
        if total:
            done = min(done, total)  # headers can promise too little
            left = (now - started) * (total - done) / done
            rest = f" of {total:.0f} s ({100 * done / total:.0f} %), {left:.0f} s left"
        click.echo(f"{name}: {done:.0f} s{rest}, {_speed(done, started)}", err=True)

    yield update


@contextmanager
def count_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback that shows how many of some things are done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(escape(name), total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    else:
        yield _count_lines(name)


def _count_lines(name: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            click.echo(f"{name}: {done} of {total}", err=True)

    return update


@contextmanager
def transfer_progress(name: str, *, show: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Give a callback that shows how many bytes of a file are here."""
    if not show:
        yield lambda _here, _total: None
    elif sys.stderr.isatty():
        with _transfer_bar(name) as update:
            yield update
    else:
        yield _transfer_lines(name)


@contextmanager
def _transfer_bar(name: str) -> Iterator[Callable[[int, int | None], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    texts = TextColumn("{task.description}"), BarColumn()
    columns = (*texts, DownloadColumn(), TransferSpeedColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(name), total=None)
        yield lambda here, total: progress.update(task, completed=here, total=total)


def _transfer_lines(name: str) -> Callable[[int, int | None], None]:
    last = time.monotonic()

    def update(here: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_SECONDS:
            return
        last = time.monotonic()
        rest = f" of {total / 1e6:.1f} MB ({100 * here / total:.0f} %)" if total else " MB"
        click.echo(f"{name}: {here / 1e6:.1f}{rest}", err=True)

    return update


def _speed(done: float, started: float) -> str:
    return f"{done / max(1e-6, time.monotonic() - started):.1f} x real time"


@contextmanager
def track_progress(total: int, *, show: bool) -> Iterator[Callable[[str], None]]:
    """Give a callback that counts tracks, and says in a line what became of each."""
    if not show:
        yield lambda _line: None
    elif sys.stderr.isatty():
        with _track_bar(total) as update:
            yield update
    else:
        done = 0

        def count(line: str) -> None:
            nonlocal done
            done += 1
            click.echo(f"{done} of {total}: {line}", err=True)

        yield count


@contextmanager
def _track_bar(total: int) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("tracks"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        def update(line: str) -> None:
            progress.console.print(escape(line), highlight=False)
            progress.advance(task)

        yield update
