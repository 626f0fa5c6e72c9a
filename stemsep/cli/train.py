"""``stemsep train``: a recipe -> a network."""

from __future__ import annotations

from pathlib import Path

import click

from stemsep.cli.options import debug_option

__all__ = ["command"]


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that the recipe's paths are below.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run (default: runs/NAME-OF-THE-RECIPE). A run that is there goes on.",
)
@debug_option
def command(recipe: Path, data: Path, output: Path | None) -> int:
    """Train the network of RECIPE, a TOML file.

    The run's folder gets best.safetensors and last.safetensors for `stemsep separate --model`, and
    log.json. Interrupt it whenever you like: the same command goes on where it was.

    \b
    Example: stemsep train recipes/default.toml --data ~/music/stems
    """
    from stemsep.models.memory import keep_freed_memory
    from stemsep.training.engine import train
    from stemsep.training.recipe import build_task, read_recipe

    keep_freed_memory()
    settings = read_recipe(recipe)
    folder = output or Path("runs", recipe.stem)
    task = build_task(settings, data)
    train(task, settings.train, folder, say=lambda line: click.echo(line, err=True))
    click.echo(f"done: {folder / 'best.safetensors'}", err=True)
    return 0
