"""``stemsep models``: what networks there are, and how to get more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.options import debug_option, fetching_from, offline_option

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["command"]


@click.group()
def command() -> None:
    """List networks, show what is known about one, and fetch or import more.

    Networks of others are kept in the user's cache folder, or in the one that the environment
    variable STEMSEP_CACHE names. STEMSEP_MIRROR is an address to fetch from in place of the
    networks' own.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def list_models(as_json: bool) -> int:
    """List the networks that are here, and those that can be had by name.

    \b
    Example: stemsep models list
    """
    from stemsep.weights.info import describe_all

    models = describe_all()
    if as_json:
        click.echo(json.dumps(models, indent=2))
        return 0
    for model in models:
        click.echo(f"{model['name']}: {_summary(model)}")
    return 0


@command.command("info")
@click.argument("model", default="default")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def info(model: str, as_json: bool) -> int:
    """Show size, cost, scores and terms of MODEL: a name or a checkpoint file.

    \b
    Example: stemsep models info default
    """
    from stemsep.weights.info import describe

    described = describe(model)
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return 0
    for key, value in described.items():
        click.echo(f"{key.replace('_', ' ')}: {_text(value)}")
    return 0


@command.command("download")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--name", help="Of a network that is given by its address.")
@click.option("--sha256", metavar="HEX", help="Digest that the file of an address must have.")
@click.option(
    "--accept-licence", is_flag=True, help="Accept the terms of networks that ask for it."
)
@offline_option
@click.option("-q", "--quiet", is_flag=True, help="Print errors and warnings only.")
@debug_option
def download(
    models: Sequence[str],
    name: str | None,
    sha256: str | None,
    accept_licence: bool,
    offline: bool,
    quiet: bool,
) -> int:
    """Fetch networks by MODEL, a published name or an address, into the store.

    Terms and size are shown before, and kept with the network. A file is there when all of it is
    and its digest is right. A download that was cut goes on where it stopped.

    \b
    Examples:
      stemsep models download spleeter:4stems
      stemsep models download https://example.org/vocals.safetensors --name vocals
    """
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.store import fetch_address

    if (name or sha256) and (len(models) > 1 or "://" not in models[0]):
        raise click.UsageError("--name and --sha256 go with one address")
    fetching = fetching_from(offline=offline, quiet=quiet, accept_licence=accept_licence)
    for model in models:
        if "://" in model:
            path = fetch_address(model, fetching, name=name, sha256=sha256)
        else:
            path = find_checkpoint(model, fetching=fetching)
        if not quiet:
            click.echo(f"{model}: '{path}'", err=True)
    return 0


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path), metavar="ARCHIVE_OR_FILE")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.safetensors",
    help="File to write, in place of the store.",
)
@click.option(
    "--name", help="In the store (default: that of the published network, or the file's)."
)
@click.option("--overwrite", is_flag=True, help="Replace a network of that name.")
@debug_option
def import_network(source: Path, output: Path | None, name: str | None, overwrite: bool) -> int:
    """Take a network from a file: another program's, or a checkpoint of stemsep's.

    Of Spleeter's an archive or the folder it was unpacked into, of Open-Unmix's a folder with its
    four .pth files, of SCNet its .ckpt file, of milesial/Pytorch-UNet a .pth file.

    Nothing in a file is run, and nothing is unpacked outside of a temporary folder.

    \b
    Examples:
      stemsep models import 4stems.tar.gz
      stemsep models import 4stems.tar.gz -o spleeter.safetensors
    """
    from stemsep.weights.checkpoint import read_any_card
    from stemsep.weights.store import import_file

    if output and name:
        raise click.UsageError("--output and --name exclude each other")
    if output and output.suffix != ".safetensors":
        raise click.UsageError(f"--output '{output}' must end in .safetensors")
    called, path = import_file(source, name=name, output=output, overwrite=overwrite)
    click.echo(f"{called}: '{path}'; terms: {read_any_card(path)[1].license}", err=True)
    return 0


@command.command("remove")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@debug_option
def remove_models(models: Sequence[str]) -> int:
    """Remove networks from the store.

    \b
    Example: stemsep models remove spleeter:4stems
    """
    from stemsep.weights.store import remove

    for model in models:
        click.echo(f"removed '{remove(model)}'", err=True)
    return 0


@command.command("path")
@click.argument("model", required=False)
@debug_option
def show_path(model: str | None) -> int:
    """Print the file of MODEL, or the folder of the store.

    \b
    Example: stemsep models path spleeter:4stems
    """
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.store import cache_folder

    click.echo(find_checkpoint(model) if model else cache_folder() / "models")
    return 0


def _summary(model: dict[str, Any]) -> str:
    """Return what a list says of a network."""
    parts = [", ".join(model["stems"])] if "stems" in model else [model["description"]]
    cost = next(
        (
            f", {model[key]:.2f} GMAC/{unit}"
            for key, unit in (("gmac_per_second", "s"), ("gmac_per_megapixel", "megapixel"))
            if key in model
        ),
        "",
    )
    size = f"{model['megabytes']:.1f} MB"
    if model["file"] is None:
        size = f"not here, about {model['megabytes']:.0f} MB to fetch"
    parts.append(f"{model['parameters']:,} parameters{cost}, {size}")
    return "; ".join([*parts, model["license"]])


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        lines = [_text(item) for item in value]
        return (
            ", ".join(lines)
            if all("\n" not in t and ":" not in t for t in lines)
            else "".join(f"\n  - {line}" for line in lines)
        )
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "not here" if value is None else str(value)
