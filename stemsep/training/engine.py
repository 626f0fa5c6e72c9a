"""The training loop. It knows neither sound nor images: a `Task` does.

Steps, moving average of the weights, schedule, validation, best and last checkpoints, resume.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from stemsep.audio.atomic import partial_file
from stemsep.training.config import TrainConfig
from stemsep.training.prefetch import prefetched

__all__ = ["Task", "train"]


class Task(Protocol):
    """What is trained: a network, its batches, its loss, its score and its file format."""

    network: nn.Module

    def batch(self, step: int, size: int) -> Tensor:
        """Return the batch of a step; it depends on the step alone."""

    def loss(self, network: nn.Module, batch: Tensor) -> Tensor:
        """Return the scalar loss of a batch."""

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return validation scores; ``score`` is the one that decides, higher is better."""

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        """Write the network as a checkpoint."""


def train(task: Task, config: TrainConfig, output: Path, *, say: Callable[[str], None]) -> None:
    """Train ``task.network`` and leave ``best.safetensors``, ``last.safetensors`` in ``output``.

    Continues from ``output/last.state`` where there is one. ``output/log.json`` has one line a
    validation.

    Args:
        task: what to train.
        config: how.
        output: a folder, made if missing.
        say: called with one line of progress now and then.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = task.network.train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    progress = {"step": 0, "best": -math.inf}
    state_path = output / "last.state"
    if state_path.exists():
        progress = _load_state(state_path, network, average, optimizer)
        say(f"resumed at step {progress['step']} of {config.steps}")

    last_save = time.monotonic()
    losses: list[float] = []
    for step, batch in prefetched(_batches(task, config, progress["step"])):
        losses.append(_step(task, network, optimizer, batch, step, config))
        _update_average(average, network, min(config.ema, (1 + step) / (10 + step)))
        done = step + 1
        progress["step"] = done
        if done % config.validate_every == 0 or done == config.steps:
            scores = task.scores(average)
            task.save(average, output / "last.safetensors", done, scores)
            if scores["score"] > progress["best"]:
                progress["best"] = scores["score"]
                task.save(average, output / "best.safetensors", done, scores)
            line = {"step": done, "loss": sum(losses) / len(losses), **scores}
            losses.clear()
            _append_log(output / "log.json", line)
            say(json.dumps({key: round(value, 4) for key, value in line.items()}))
        if time.monotonic() - last_save > 60 * config.save_minutes or done == config.steps:
            _save_state(state_path, progress, network, average, optimizer)
            last_save = time.monotonic()


def _batches(task: Task, config: TrainConfig, first: int) -> Iterator[tuple[int, Tensor]]:
    for step in range(first, config.steps):
        yield step, task.batch(step, config.batch_size)


def _step(
    task: Task,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Tensor,
    step: int,
    config: TrainConfig,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * _schedule(step, config)
    with torch.autocast(batch.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        loss = task.loss(network, batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    if torch.isfinite(norm):
        optimizer.step()
    return loss.item()


def _schedule(step: int, config: TrainConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    rest = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * rest))


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)


def _save_state(
    path: Path,
    progress: dict[str, Any],
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    state = {
        "progress": progress,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    with partial_file(path) as temporary:
        torch.save(state, temporary)


def _load_state(
    path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    progress: dict[str, Any] = state["progress"]
    return progress


def _append_log(path: Path, line: dict[str, float]) -> None:
    log = json.loads(path.read_text()) if path.exists() else []
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps([*log, line], indent=1))
