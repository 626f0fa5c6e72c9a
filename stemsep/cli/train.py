"""``stemsep train``: a recipe -> a network."""

from __future__ import annotations

from pathlib import Path

import click

from stemsep.cli.memory import keep_freed_memory
from stemsep.cli.options import debug_option
from stemsep.cli.training_run import run_training

__all__ = ["command"]


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that the recipe's paths are below, if it has any.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the run (default: runs/NAME-OF-THE-RECIPE). A run that is there goes on.",
)
@click.option(
    "--init",
    metavar="MODEL",
    help="Network to go on from, a name or a checkpoint; the recipe then needs none.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of the recipe, such as train.steps=500; repeatable.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the recipe with all defaults and what a step costs, and train nothing.",
)
@click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads of the network.")
@click.option(
    "--logger",
    type=click.Choice(["none", "csv", "tensorboard", "wandb"]),
    default="none",
    help="What to write besides log.json, for watching the run.",
)
@click.option("--quiet", is_flag=True, help="No progress, only what happens.")
@debug_option
def command(
    recipe: Path,
    data: Path | None,
    output: Path | None,
    init: str | None,
    settings: tuple[str, ...],
    dry_run: bool,
    device: str,
    threads: int | None,
    logger: str,
    quiet: bool,
) -> int:
    """Train the network of RECIPE, a TOML file or the name of a recipe that came along.

    The run's folder gets best.safetensors and last.safetensors for `stemsep separate --model`,
    recipe.toml, log.json and curve.png. Interrupt it whenever you like: the same command goes on
    where it was. Several GPUs: torchrun --nproc-per-node N -m stemsep train ...

    \b
    Examples:
      stemsep train tiny
      stemsep train finetune --data ~/music/stems --init default
      stemsep train default --data ~/music/stems --set train.steps=500
    """
    keep_freed_memory()
    from stemsep.separation.device import use_threads
    from stemsep.training.recipe import build_task, read_recipe, recipe_cost
    from stemsep.training.recipe_file import find_recipe, keep_recipe, named, recipe_text

    if threads:
        use_threads(threads)
    path = find_recipe(recipe)
    if init:
        settings = (*settings, f"init={init}")
    plan = read_recipe(path, settings)
    if data or not dry_run:
        with named(path, settings):
            task = build_task(plan, data)
    if dry_run:
        cost = "".join(f"# {line}\n" for line in str(recipe_cost(plan)).splitlines())
        click.echo(f"{recipe_text(plan)}\n{cost}", nl=False)
        return 0
    folder = output or Path("runs", path.stem)
    keep_recipe(plan, folder)
    return run_training(task, plan.train, folder, device=device, logger=logger, quiet=quiet)
