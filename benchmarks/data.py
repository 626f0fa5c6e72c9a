"""Does drawing and varying excerpts hold training back?

    python benchmarks/data.py RECIPE [--data FOLDER] [--steps N]

Times steps of the recipe's own network, loss and optimizer: with one batch used over and over, and
with batches drawn as in training, made ahead by the recipe's threads. The two take turns, so that
what else the machine does meets both. The ratio is to be 0.9 or more.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch

from stemsep.cli.memory import keep_freed_memory
from stemsep.training.prefetch import prefetched
from stemsep.training.recipe import build_task, read_recipe
from stemsep.training.recipe_file import find_recipe


def step_times(
    task: Any, optimizer: torch.optim.Optimizer, batches: Iterator[Any], bf16: bool
) -> list[float]:
    """Return the seconds of each step."""
    times, last = [], time.perf_counter()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = task.loss(task.network, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        now = time.perf_counter()
        times.append(now - last)
        last = now
    return times


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path, exists=True))
@click.option("--steps", default=6, show_default=True, help="Steps of each turn.")
@click.option("--turns", default=4, show_default=True)
def main(recipe: Path, data: Path | None, steps: int, turns: int) -> None:
    """Print steps a second with a fixed batch and with real data, and their ratio."""
    keep_freed_memory()
    settings = read_recipe(find_recipe(recipe))
    task: Any = build_task(settings, data)
    places = range(settings.train.batch_size)
    bf16 = settings.train.precision == "bf16"
    optimizer = torch.optim.AdamW(task.network.parameters(), lr=1e-4)
    fixed = task.batch(0, places)
    step_times(task, optimizer, iter([fixed] * 2), bf16)  # warm up

    start = time.perf_counter()
    for step in range(4):
        task.batch(step, places)
    drawing = (time.perf_counter() - start) / 4

    repeated, drawn = [], []
    for turn in range(turns):
        first = 100 + turn * steps
        repeated += step_times(task, optimizer, iter([fixed] * steps), bf16)
        ahead = prefetched(
            lambda step: task.batch(step, places),
            range(first, first + steps + 1),
            workers=settings.train.workers,
        )
        next(ahead)  # in training, too, the first batch alone is waited for
        drawn += step_times(task, optimizer, (batch for _, batch in ahead), bf16)
    plain, real = statistics.mean(repeated), statistics.mean(drawn)
    click.echo(f"{recipe}: {len(places)} excerpts of {settings.frames} frames a step")
    click.echo("| | steps a second |\n| --- | --- |")
    click.echo(f"| one batch over and over | {1 / plain:.2f} |")
    click.echo(f"| drawn as in training | {1 / real:.2f} |")
    click.echo(f"ratio {plain / real:.2f}; drawing a batch takes {drawing:.2f} s of one thread")


if __name__ == "__main__":
    main()
