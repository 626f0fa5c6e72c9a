"""``stemsep completion``: what makes a shell complete commands, options and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from stemsep.cli.options import debug_option

__all__ = ["command"]

VARIABLE = "_STEMSEP_COMPLETE"
"""Click's name for the variable by which the shell asks for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print what makes SHELL complete stemsep's commands and options.

    \b
    Examples:
      eval "$(stemsep completion bash)"        # this shell; a line for ~/.bashrc
      stemsep completion fish > ~/.config/fish/completions/stemsep.fish
    """
    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"no completion for {shell}")
    root = ctx.find_root().command
    click.echo(complete(root, {}, "stemsep", VARIABLE).source())
    return 0
