"""``stemsep doctor``: does this installation work?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from stemsep.cli.options import debug_option

__all__ = ["command"]

MARKS = {"ok": "ok    ", "absent": "absent", "failed": "FAILED"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@debug_option
def command(as_json: bool) -> int:
    """Check this installation and say what this machine can do.

    Exit status 1 if something that stemsep needs does not work.

    \b
    Example: stemsep doctor --json
    """
    from stemsep.doctor import run_checks

    done = []
    for check in run_checks():
        done.append(check)
        if not as_json:
            click.echo(f"{MARKS[check.status]}  {check.name}: {check.detail}")
    healthy = all(check.status != "failed" for check in done)
    if as_json:
        click.echo(json.dumps({"ok": healthy, "checks": [asdict(c) for c in done]}, indent=2))
    return 0 if healthy else 1
