"""``stemsep export``: a network -> a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemsep.cli.options import debug_option
from stemsep.errors import ParameterError

if TYPE_CHECKING:
    from stemsep.weights.export import ExportFormat

__all__ = ["command"]


@click.command()
@click.option(
    "--model", default="default", show_default=True, help="Name or .safetensors file of a network."
)
@click.option(
    "--format",
    type=click.Choice(["onnx", "pt2", "pth"]),
    default="onnx",
    show_default=True,
    help="onnx: for onnxruntime; pt2: for torch.export.load; pth: of a network for pictures, for "
    "milesial/Pytorch-UNet.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write (default: the model's name, here).",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@debug_option
def command(model: str, format: ExportFormat, output: Path | None, overwrite: bool) -> int:
    """Write a network for programs without stemsep or torch.

    The file takes magnitudes of spectra and gives masks; what else a program needs to know is in
    its metadata. docs/export.md shows complete programs in Python and for the browser.

    \b
    Examples:
      stemsep export --format onnx
      stemsep export --model runs/mine/best.safetensors -o mine.onnx
    """
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.export import SUFFIXES, export

    checkpoint = find_checkpoint(model)
    path = output or Path(checkpoint.stem + SUFFIXES[format])
    if path.exists() and not overwrite:
        raise ParameterError(f"'{path}' is there already; give another name or --overwrite")
    click.echo("exporting, which takes up to a minute", err=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    export(checkpoint, path, format)
    click.echo(f"written: {path}", err=True)
    return 0
