"""A run of the training engine, shown on the terminal and stopped by Ctrl-C without loss."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.progress import LINE_SECONDS

if TYPE_CHECKING:
    from stemsep.training.config import TrainConfig
    from stemsep.training.task import Task

__all__ = ["run_training"]

INTERRUPTED = 130

Say = Callable[[str], None]
Show = Callable[[int, int, float], None]


def run_training(
    task: Task[Any],
    config: TrainConfig,
    output: Path,
    *,
    device: str = "auto",
    logger: str = "none",
    resume: bool = True,
    quiet: bool = False,
) -> int:
    """Train, and return the exit status: 0 at the end, 130 where it was interrupted.

    Ctrl-C and SIGTERM let the step in hand end, save the state and say how to go on.
    """
    from stemsep.separation.device import choose_device
    from stemsep.training.distributed import this_rank
    from stemsep.training.engine import train

    with _display(quiet=quiet) as (say, show), _stop_requested() as stop:
        result = train(
            task,
            config,
            output,
            device=choose_device(device),
            logger=logger,
            resume=resume,
            say=say,
            progress=show,
            stop=stop,
        )
    if this_rank().first:
        if result.ended == "stopped":
            click.echo(
                f"Interrupted. The first {result.step} of {config.steps} steps are kept in "
                f"'{output / 'last.state'}': resume the run with the same folder to go on.",
                err=True,
            )
        else:
            why = ": no better score for long" if result.ended == "patience" else ""
            click.echo(
                f"done after {result.step} steps{why}: {output / 'best.safetensors'}", err=True
            )
    return INTERRUPTED if result.ended == "stopped" else 0


@contextmanager
def _stop_requested() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether Ctrl-C was pressed or SIGTERM came.

    A second Ctrl-C some seconds later interrupts at once. Those of the first seconds count as one:
    ``torchrun`` passes on what the terminal sent to all already.
    """
    first: float | None = None

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if first is not None and number == signal.SIGINT and time.monotonic() - first > 3:
            signal.default_int_handler(number, frame)
        first = time.monotonic() if first is None else first

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: first is not None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _display(*, quiet: bool) -> Iterator[tuple[Say, Show]]:
    if quiet:
        yield (lambda line: click.echo(line, err=True)), (lambda _step, _steps, _loss: None)
    elif sys.stderr.isatty():
        with _bar() as display:
            yield display
    else:
        yield (lambda line: click.echo(line, err=True)), _lines()


@contextmanager
def _bar() -> Iterator[tuple[Say, Show]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    text = TextColumn("{task.fields[text]}")
    console = Console(stderr=True, highlight=False)
    with Progress(BarColumn(), MofNCompleteColumn(), text, console=console) as progress:
        bar, pace = progress.add_task("", total=None, text=""), _Pace()

        def show(step: int, steps: int, loss: float) -> None:
            progress.update(bar, completed=step, total=steps, text=pace(step, steps, loss))

        yield (lambda line: console.print(line, markup=False)), show


def _lines() -> Show:
    last, pace = time.monotonic(), _Pace()

    def show(step: int, steps: int, loss: float) -> None:
        nonlocal last
        text = pace(step, steps, loss)
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            click.echo(f"step {step} of {steps}, {text}", err=True)

    return show


class _Pace:
    """Says how fast steps are and how long the others will take, validations included."""

    def __init__(self) -> None:
        self.started, self.first = time.monotonic(), -1

    def __call__(self, step: int, steps: int, loss: float) -> str:
        if self.first < 0:
            self.first = step - 1
        speed = (step - self.first) / max(1e-6, time.monotonic() - self.started)
        return f"loss {loss:.4g}, {speed:.3g} steps/s, {_in_words((steps - step) / speed)} left"


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
