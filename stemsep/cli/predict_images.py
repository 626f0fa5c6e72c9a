"""``stemsep predict-images``: pictures -> masks."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import click

from stemsep.cli.options import data_errors, debug_option, debugging, one_line

__all__ = ["command"]


@click.command("predict-images")
@click.argument("pictures", nargs=-1, type=click.Path(path_type=Path), metavar="IMAGE_OR_FOLDER...")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A picture; once for each. The same as naming them without it.",
)
@click.option(
    "-m",
    "--model",
    required=True,
    help="best.safetensors of a run, or a .pth file of milesial/Pytorch-UNet.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predicted"),
    show_default=True,
    help="File of the mask, for one picture; else folder of NAME_mask.png.",
)
@click.option("--viz", is_flag=True, help="Also draw picture, mask and overlay: NAME_viz.png.")
@click.option("--no-save", is_flag=True, help="Write no mask.")
@click.option("--probabilities", is_flag=True, help="Also write them: 16-bit NAME_prob.png.")
@click.option(
    "-t",
    "--mask-threshold",
    type=float,
    help="Probability above which a pixel is of the second of two classes (default: 0.5).",
)
@click.option(
    "-s",
    "--scale",
    type=float,
    help="Resize pictures by this (default: the network's; 0.5 for a .pth file).",
)
@click.option("--tta", is_flag=True, help="Mean over all flips and quarter turns: 8 times slower.")
@click.option(
    "--tile",
    type=click.IntRange(0),
    help="Pixels of a tile, a multiple of 16; 0: the whole picture at once (default: 512).",
)
@click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def command(pictures: tuple[Path, ...], inputs: tuple[Path, ...], **options: Any) -> int:
    """Find the masks of pictures of any size, with a network of `stemsep train-images`.

    Masks have the values of the masks that were learned from. Shape, values and the share of each
    class are printed; a share that looks like a mistake is pointed out.

    \b
    Examples:
      stemsep predict-images car.png -m runs/images/best.safetensors -o car_mask.png --viz
      stemsep predict-images photos/ -m runs/images/best.safetensors -o masks
    """
    if not pictures and not inputs:
        raise click.UsageError("name pictures or folders")
    from stemsep.segmentation.files import PredictConfig, plan_masks, predict_file
    from stemsep.segmentation.predict import Segmenter
    from stemsep.separation.device import choose_device

    threshold = options["mask_threshold"]
    given = {} if threshold is None else {"threshold": threshold}
    tiles = {} if options["tile"] is None else {"tile": options["tile"]}
    with data_errors():
        settings = PredictConfig(
            save=not options["no_save"],
            probabilities=options["probabilities"],
            overwrite=options["overwrite"],
            **given,
        )
        jobs = plan_masks([*pictures, *inputs], options["output"], settings)
        segmenter = Segmenter.from_pretrained(
            options["model"],
            scale=options["scale"],
            device=choose_device(options["device"]),
            tta=options["tta"],
            **tiles,
        )
    done = {}
    for job in jobs:
        try:
            prediction = predict_file(segmenter, job, settings)
            told = _shown(prediction, job, viz=options["viz"])
        except Exception as error:  # one bad picture must not end the others
            if debugging():
                traceback.print_exc()
            click.echo(f"Error: {one_line(error)}", err=True)
            continue
        done[str(job.picture)] = told
    if options["as_json"]:
        click.echo(json.dumps(done, indent=2))
    if len(done) < len(jobs) > 1:
        click.echo(f"{len(done)} done, {len(jobs) - len(done)} failed", err=True)
    return 0 if len(done) == len(jobs) else 1


def _shown(prediction: Any, job: Any, *, viz: bool) -> dict[str, Any]:
    """Say what was found, draw it if wanted, and return it for JSON."""
    from stemsep.plotting.preview import save_side_by_side

    told: dict[str, Any] = prediction.described
    if viz:
        path = job.beside("_viz.png")
        save_side_by_side(path, prediction.picture, prediction.classes)
        told["files"].append(str(path))
    height, width = told["shape"]
    parts = ", ".join(f"{value} {100 * share:.1f} %" for value, share in told["shares"].items())
    first, last = told["values"]
    files = ", ".join(f"'{file}'" for file in told["files"]) or "nothing written"
    click.echo(
        f"{job.picture}: {width} x {height}, values {first} to {last}: {parts}; {files}", err=True
    )
    if prediction.warning:
        click.echo(f"Warning: '{job.picture}': {prediction.warning}", err=True)
    return told
