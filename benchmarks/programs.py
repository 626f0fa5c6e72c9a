"""What a whole program takes, from start to end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import click

__all__ = ["measured"]


def measured(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak MiB of a command that is run in a folder.

    Args:
        command: the program and its arguments; what it prints goes to ``log`` in the folder.
        folder: where it runs.
        environment: variables to set, besides those that are set already.
    """
    started = time.monotonic()
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        _, status, used = os.wait4(child.pid, 0)
    if status:
        raise click.ClickException(f"{' '.join(command)}:\n{(folder / 'log').read_text()[-2000:]}")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
