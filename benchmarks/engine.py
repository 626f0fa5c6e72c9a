"""Steps/s of the training engine beside a bare loop, with one network and one batch.

    python benchmarks/engine.py [--rounds 6] [--steps 10] [--batch-size 2]

The network is that of recipes/default.toml, the loss L1 of masked magnitudes, in fp32. Both loops
take turns; the engine does all that it does in a run: batches ahead in a thread, the average of the
weights, the search for what is not finite, progress. Validation and saving are left out, as their
share is what one sets it to.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.cli.memory import keep_freed_memory
from stemsep.dsp import stft
from stemsep.models import PRESETS, MaskNetwork
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train


class Fixed:
    """A task whose batch is always the same noise."""

    def __init__(self, batch_size: int) -> None:
        config: Any = PRESETS["default"]
        torch.manual_seed(0)
        self.config, self.network = config, MaskNetwork(config)
        self.stems = torch.randn(batch_size, 4, 2, 95 * config.stft.hop_length)

    def batch(self, step: int, examples: range) -> Tensor:
        return self.stems[examples.start : examples.stop]

    def sources(self, step: int, examples: range) -> Sequence[str]:
        return ["noise"]

    def loss(self, network: nn.Module, batch: Tensor) -> Tensor:
        stems = stft(batch, self.config.stft)[..., : self.config.n_bins, :].abs()
        mixture = stems.sum(1).contiguous(memory_format=torch.channels_last)
        return functional.l1_loss(network(mixture) * mixture[:, None], stems)

    def scores(self, network: nn.Module) -> dict[str, float]:
        return {"score": 0.0}

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        pass

    def pictures(self, network: nn.Module) -> dict[str, object]:
        return {}


def bare(task: Fixed, steps: int) -> list[float]:
    network = task.network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    times = [time.perf_counter()]
    for _ in range(steps):
        optimizer.zero_grad()
        task.loss(network, task.stems).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter())
    return durations(times[1:])


def engine(task: Fixed, steps: int) -> list[float]:
    batch_size = len(task.stems)
    config = TrainConfig(
        steps=steps, batch_size=batch_size, learning_rate=1e-4, validate_every=steps
    )
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(task, config, Path(folder), progress=lambda *_: times.append(time.perf_counter()))
    return durations(times[:-1])  # the last step has the validation


def durations(times: list[float]) -> list[float]:
    return [b - a for a, b in pairwise(times)]


@click.command()
@click.option("--rounds", default=6, show_default=True)
@click.option("--steps", default=10, show_default=True, help="Of each loop, in each round.")
@click.option("--batch-size", default=2, show_default=True)
def main(rounds: int, steps: int, batch_size: int) -> None:
    """Print the median step of each and the ratio of their speeds."""
    keep_freed_memory()
    task = Fixed(batch_size)
    bare(task, 3)  # warm up
    alone: list[float] = []
    engines: list[float] = []
    for _ in range(rounds):
        alone += bare(task, steps)
        engines += engine(task, steps + 1)
    loop, ours = statistics.median(alone), statistics.median(engines)
    click.echo(f"bare loop: {1 / loop:.3f} steps/s, median of {len(alone)} steps")
    click.echo(f"engine:    {1 / ours:.3f} steps/s, median of {len(engines)} steps")
    click.echo(f"ratio:     {loop / ours:.3f}")


if __name__ == "__main__":
    main()
