"""``stemsep models``: what networks there are."""

from __future__ import annotations

import json
from typing import Any

import click

from stemsep.cli.options import debug_option

__all__ = ["command"]


@click.group()
def command() -> None:
    """List networks and show what is known about one."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def list_models(as_json: bool) -> int:
    """List the networks that came with stemsep, ready to separate.

    \b
    Example: stemsep models list
    """
    from stemsep.weights.catalog import shipped_checkpoints
    from stemsep.weights.info import describe

    models = [describe(name) for name in shipped_checkpoints()]
    if as_json:
        click.echo(json.dumps(models, indent=2))
        return 0
    for model in models:
        click.echo(
            f"{model['name']}: {', '.join(model['stems'])}; {model['parameters']:,} parameters, "
            f"{model['gmac_per_second']:.2f} GMAC/s, {model['megabytes']:.1f} MB; "
            f"{model['license']}"
        )
    return 0


@command.command("info")
@click.argument("model", default="default")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def info(model: str, as_json: bool) -> int:
    """Show size, cost, scores and terms of MODEL: a shipped name or a checkpoint file.

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
    return f"{value:,}" if isinstance(value, int) else str(value)
