"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stemsep.errors import ParameterError, StemsepError

if TYPE_CHECKING:
    from stemsep.weights.fetching import Fetching

__all__ = [
    "data_errors",
    "debug_option",
    "debugging",
    "device_options",
    "fetching_from",
    "offline_option",
    "one_line",
    "usage_errors",
]

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_CHARACTERS = 400
"""Of an internal error: a compiler's say can be pages long."""


def debug_option(command: Command) -> Command:
    """Add ``--debug``: an error shows its traceback."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value and isinstance(ctx.obj, dict):
            ctx.obj["debug"] = True

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Show the traceback of an error.",
    )(command)


def device_options(command: Command) -> Command:
    """Add ``--device``, ``--precision`` and ``--threads``."""
    command = click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        help="CPU threads of the network (default: one per core).",
    )(command)
    command = click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        help="Of the network; auto: bf16 where the CPU has it in hardware, else fp32.",
    )(command)
    return click.option(
        "--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps."
    )(command)


def offline_option(command: Command) -> Command:
    """Add ``--offline``."""
    return click.option(
        "--offline",
        is_flag=True,
        envvar="STEMSEP_OFFLINE",
        help="Never use the network: say what is missing (also: STEMSEP_OFFLINE=1).",
    )(command)


def fetching_from(*, offline: bool, quiet: bool, accept_licence: bool = False) -> Fetching:
    """Return how to fetch networks for a user at a command line."""
    from stemsep.cli.progress import transfer_progress
    from stemsep.weights.fetching import Fetching

    def tell(line: str) -> None:
        if not quiet or line.startswith("Warning"):
            click.echo(line, err=True)

    return Fetching(
        offline=offline,
        accept_licence=accept_licence,
        tell=tell,
        progress=lambda name: transfer_progress(name, show=not quiet),
    )


def debugging() -> bool:
    """Return whether the running command was given ``--debug``."""
    settings = click.get_current_context().obj
    return isinstance(settings, dict) and bool(settings.get("debug"))


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line; one that stemsep does not raise says it is a bug."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "out of memory: close other programs"
    if isinstance(error, StemsepError | OSError):
        return text
    name, text = type(error).__name__, shorten(text, MOST_CHARACTERS, placeholder=" ...")
    return f"internal error: {name}: {text}; please report it, with what --debug prints"


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn options that do not fit together into a usage error (exit status 2)."""
    try:
        yield
    except ParameterError as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def data_errors() -> Iterator[None]:
    """Turn what is wrong with options and data into exit status 2, a line for each problem."""
    try:
        yield
    except StemsepError as error:
        if debugging():
            raise
        for line in str(error).splitlines():
            click.echo(f"Error: {line}", err=True)
        raise click.exceptions.Exit(2) from error
