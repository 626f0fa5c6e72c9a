"""The command ``stemsep``: one group, its commands imported only when they are used."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence

import click

from stemsep import __version__
from stemsep.cli.options import one_line

__all__ = ["cli", "main", "run"]

COMMANDS = (
    "separate",
    "models",
    "doctor",
    "train",
    "evaluate",
    "train-images",
    "predict-images",
    "augment-images",
    "synth",
    "export",
    "completion",
)
INTERRUPTED = 130

COLLECTION = (100_000, 50, 100)
"""Objects made, and collections of the younger ones, before garbage is looked for."""


class LazyGroup(click.Group):
    """Finds each command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = f"stemsep.cli.{cmd_name.replace('-', '_')}"
        command: click.Command = importlib.import_module(module).command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stemsep")
def cli() -> None:
    """Separate recorded music into stems: vocals, drums, bass and other.

    \b
    Example: stemsep separate song.mp3
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    0: all done. 1: something failed. 2: wrong usage. 130: interrupted.
    """
    settings = {"debug": False}
    try:
        status = cli.main(arguments, prog_name="stemsep", standalone_mode=False, obj=settings)
        return int(status or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except Exception as error:
        if settings["debug"]:
            raise
        click.echo(f"Error: {one_line(error)}", err=True)
        return 1


def run() -> None:
    """Run the process's command line and exit with its status.

    PyTorch brings a great many objects that stay: looking for garbage among them while it is
    imported, and once more at the end, takes 0.3 seconds of every command.
    """
    gc.set_threshold(*COLLECTION)
    status = main()
    gc.freeze()
    sys.exit(status)
