"""``stemsep train-images``: pictures and masks -> a network that segments."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.memory import keep_freed_memory
from stemsep.cli.options import data_errors, debug_option
from stemsep.cli.progress import count_progress
from stemsep.cli.training_run import run_training

if TYPE_CHECKING:
    from stemsep.data.image_pairs import ImageSet
    from stemsep.training.segmentation import SegmentationTask

__all__ = ["command"]

PRESETS = ["tiny", "small", "milesial", "milesial-bilinear", "ronneberger"]
LOSSES = ["ce", "bce", "dice", "ce+dice", "bce+dice", "focal"]

IN_LOOP = ("steps", "batch_size", "learning_rate", "optimizer", "momentum", "schedule", "seed")
"""Options that the training loop takes; `--workers` and `--amp` go there as well."""

TOP = ("preset", "classes", "scale", "crop", "validation", "loss", "pos_weight", "border_weight",
       "augment", "epochs")  # fmt: skip
"""Options that are keys at the top of a recipe."""

SWITCHES = ("norm", "activation", "downsample", "block", "padding")


@click.command("train-images")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--recipe", type=click.Path(path_type=Path), help="TOML file with the settings.")
@click.option("-e", "--epochs", type=int, help="How often each picture is seen.")
@click.option("--steps", type=int, help="Optimizer steps (default: 300).")
@click.option("-b", "--batch-size", type=int, help="Crops a step (default: 4).")
@click.option("-l", "--learning-rate", type=float, help="At its highest (default: 0.004).")
@click.option(
    "-f",
    "--load",
    type=click.Path(path_type=Path),
    help="Go on from a network: ours, or a .pth file of milesial/Pytorch-UNet.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in the output folder.")
@click.option("-s", "--scale", type=float, help="Resize pictures by this (default: 1).")
@click.option(
    "-v",
    "--validation",
    type=float,
    help="Percent of the pairs to score on (default: the folder 'heldout', else 10).",
)
@click.option("--amp", is_flag=True, help="Run the network in 16 bit where the hardware can.")
@click.option("-c", "--classes", type=int, help="1: a single output (default: one a mask value).")
@click.option("--mask-values", help="Grey values of noisy masks: 0,255. Pixels take the nearest.")
@click.option("--preset", type=click.Choice(PRESETS), help="The network (default: tiny).")
@click.option("--bilinear", is_flag=True, help="Upsample bilinearly, not by convolution.")
@click.option("--norm", type=click.Choice(["batch", "instance", "group", "none"]), help="Norm.")
@click.option(
    "--activation",
    type=click.Choice(["relu", "leaky_relu", "elu", "gelu", "silu"]),
    help="Activation.",
)
@click.option("--downsample", type=click.Choice(["maxpool", "strided"]), help="Way down.")
@click.option("--block", type=click.Choice(["double", "residual"]), help="Layers of a level.")
@click.option("--padding", type=click.Choice(["same", "valid"]), help="valid: the 2015 paper's.")
@click.option("--loss", type=click.Choice(LOSSES), help="What is minimised (default: ce+dice).")
@click.option("--pos-weight", type=float, help="How many times a foreground pixel counts.")
@click.option(
    "--border-weight",
    type=float,
    help="The paper's weight map between touching objects, from DATA/instances (there: 10).",
)
@click.option(
    "--augment",
    help="none, all, or a list of flips, turns, rotation, shift, scale, brightness, contrast, "
    "elastic, each perhaps with =STRENGTH (default: flips,turns).",
)
@click.option("--crop", type=int, help="Pixels cut out of larger pictures (default: 256).")
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "adamw", "rmsprop", "sgd"]),
    help="What takes the steps (default: adamw).",
)
@click.option("--momentum", type=float, help="Of sgd and rmsprop.")
@click.option(
    "--schedule",
    type=click.Choice(["constant", "cosine", "plateau"]),
    help="How the rate falls (default: cosine).",
)
@click.option("--seed", type=int, help="Of everything random (default: 0).")
@click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--workers", type=click.IntRange(1), help="Threads that make batches ahead.")
@click.option(
    "--logger",
    type=click.Choice(["none", "csv", "tensorboard", "wandb"]),
    default="none",
    help="What to log to besides log.json.",
)
@click.option("--overfit", is_flag=True, help="Only learn one batch by heart: does it work at all?")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/images"),
    show_default=True,
    help="Folder of the run.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run in the output folder.")
@debug_option
def command(data: Path | None, output: Path, **options: Any) -> int:
    """Train a U-Net on pictures and masks.

    DATA holds imgs/NAME.png and masks/NAME_mask.png (or NAME.png), of any format and depth; without
    it a set of drawn cars that comes along is used. Each value or colour of the masks is a class.
    All pairs are checked first. The output folder gets best.safetensors, last.safetensors,
    log.json, curve.png and preview.png.

    \b
    Examples:
      stemsep train-images
      stemsep train-images cells/ --steps 1000 --augment all -o runs/cells
    """
    keep_freed_memory()
    from stemsep.separation.device import choose_device
    from stemsep.training.distributed import this_rank
    from stemsep.training.image_recipe import build_image_task, image_recipe, read_sets
    from stemsep.training.image_run import finish_run, open_run

    with data_errors():
        choose_device(options["device"])  # a wrong one is told before anything is read
        recipe = image_recipe(options["recipe"], _changes(options))
        folder = data or _shipped()
        with count_progress("checking pairs") as progress:
            train, valid = read_sets(folder, recipe, progress=progress)
        task, recipe = build_image_task(
            recipe, train, valid, load=options["load"], scale=options["scale"]
        )
        _introduce(folder, train, valid, task)
        if options["overfit"]:
            return _overfit(task)
        open_run(
            output,
            recipe,
            train,
            valid,
            command=shlex.join(["stemsep", *sys.argv[1:]]),
            resume=options["resume"],
            overwrite=options["overwrite"],
        )
    status = run_training(
        task, recipe.train, output, device=options["device"], logger=options["logger"]
    )
    if status == 0 and this_rank().first:
        for line in finish_run(task, output):
            click.echo(line, err=True)
    return status


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the command line asks for, as the tables of a recipe."""
    if options["epochs"] is not None and options["steps"] is not None:
        raise click.UsageError("--epochs and --steps exclude each other")
    network = [name for name in ("preset", *SWITCHES) if options[name] is not None]
    network += ["bilinear"] if options["bilinear"] else []
    if options["load"] and network:
        raise click.UsageError(f"--load brings its own network: leave --{network[0]} out")
    changes: dict[str, Any] = {key: options[key] for key in TOP if options[key] is not None}
    switches = {name: options[name] for name in SWITCHES if options[name] is not None}
    if options["bilinear"]:
        switches["upsample"] = "bilinear"
    loop = {name: options[name] for name in (*IN_LOOP, "workers") if options[name] is not None}
    if options["amp"]:
        loop["precision"] = "bf16"
    if options["mask_values"]:
        from stemsep.data.image_masks import parse_mask_values

        changes["mask_values"] = list(parse_mask_values(options["mask_values"]))
    return {**changes, "switches": switches, "train": loop}


def _shipped() -> Path:
    from stemsep.data.shipped import shipped_folder

    return shipped_folder("data") / "images"


def _introduce(folder: Path, train: ImageSet, valid: ImageSet, task: SegmentationTask) -> None:
    """Say what is learned from, and by what."""
    values = ", ".join(
        f"{value} ({100 * share:.1f} %)"
        for value, share in zip(train.mask_values, train.shares, strict=True)
    )
    scored = "the same" if valid is train else str(len(valid.pairs))
    click.echo(
        f"{folder}: {len(train.pairs)} pairs to learn from, {scored} to score on; "
        f"{'grey' if train.channels == 1 else 'colour'} pictures; mask values: {values}",
        err=True,
    )
    click.echo(task.described(), err=True)


def _overfit(task: SegmentationTask) -> int:
    """Learn one batch by heart; exit status 1 if the loss does not fall tenfold."""
    from stemsep.training.overfit import FALL, overfit

    batch = task.batch(0, range(task.batch_size))
    losses = overfit(task.network, lambda network: task.loss(network, batch))
    learned = losses[-1] <= losses[0] / FALL
    click.echo(
        f"one batch of {task.batch_size}: loss {losses[0]:.4f} -> {losses[-1]:.4f} in "
        f"{len(losses) - 1} steps: {'learned by heart' if learned else 'NOT learned by heart'}",
        err=True,
    )
    return 0 if learned else 1
