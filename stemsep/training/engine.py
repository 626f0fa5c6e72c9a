"""The training loop. It knows neither sound nor images: a `Task` does.

Steps, moving average of the weights, schedule, validation, best and last checkpoints, resume.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeVar

import torch
from torch import Tensor, nn

from stemsep.audio.atomic import partial_file
from stemsep.errors import ParameterError, WeightsError
from stemsep.training.config import TrainConfig
from stemsep.training.prefetch import prefetched
from stemsep.training.task import Task

__all__ = ["train"]

Batch = TypeVar("Batch")


@dataclass
class _Progress:
    """What a resumed run has to know besides tensors; ``losses`` are those not logged yet."""

    step: int = 0
    best: float = -math.inf
    losses: list[float] = field(default_factory=list)


def train(
    task: Task[Batch], config: TrainConfig, output: Path, *, say: Callable[[str], None]
) -> None:
    """Train ``task.network`` and leave ``best.safetensors``, ``last.safetensors`` in ``output``.

    Continues from ``output/last.state`` where there is one: on one machine, the result is that of
    a run that was never stopped. ``output/log.json`` has one entry a validation; its ``loss`` is
    the mean since the one before, its ``skipped`` the number of steps left out because loss or
    gradient was not finite.

    Args:
        task: what to train.
        config: how.
        output: a folder, made if missing.
        say: called with one line of progress now and then.

    Raises:
        WeightsError: ``output/last.state`` is damaged or of another network; or the weights are not
            finite.
        ParameterError: no step between two validations was finite.
    """
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = task.network.train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    progress = _Progress()
    state_path = output / "last.state"
    if state_path.exists():
        progress = _load_state(state_path, network, average, optimizer)
        say(f"resumed at step {progress.step} of {config.steps}")

    last_save = time.monotonic()
    for step, batch in prefetched(_batches(task, config, progress.step)):
        progress.losses.append(_step(task, network, optimizer, batch, step, config))
        _update_average(average, network, min(config.ema, (1 + step) / (10 + step)))
        progress.step = step + 1
        ended = progress.step == config.steps
        if progress.step % config.validate_every == 0 or ended:
            line = _validate(task, average, progress, output)
            say(json.dumps({key: round(value, 4) for key, value in line.items()}))
        if time.monotonic() - last_save >= 60 * config.save_minutes or ended:
            _save_state(state_path, progress, network, average, optimizer)
            last_save = time.monotonic()


def _batches(task: Task[Batch], config: TrainConfig, first: int) -> Iterator[tuple[int, Batch]]:
    for step in range(first, config.steps):
        yield step, task.batch(step, range(config.batch_size))


def _step(
    task: Task[Batch],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    step: int,
    config: TrainConfig,
) -> float:
    """Take one step and return its loss; NaN where the network was left as it was."""
    # The statistics of batch norms take in a batch before its loss is known.
    buffers = [buffer.clone() for buffer in network.buffers()]
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * _schedule(step, config)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
        loss = task.loss(network, batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    if not torch.isfinite(norm + loss.detach()):
        for buffer, value in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(value)
        return math.nan
    optimizer.step()
    return loss.item()


def _schedule(step: int, config: TrainConfig) -> float:
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    rest = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * rest))


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    pairs = zip(_tensors(average), _tensors(network), strict=True)
    for mean, value in pairs:
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:  # counters
            mean.copy_(value)


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def _validate(
    task: Task[Batch], average: nn.Module, progress: _Progress, output: Path
) -> dict[str, float]:
    """Score the averaged weights, write last and perhaps best, and return the line of the log."""
    finite = [loss for loss in progress.losses if math.isfinite(loss)]
    if not finite:
        raise ParameterError(
            f"loss or gradient was not finite in any of the last {len(progress.losses)} steps "
            f"before step {progress.step}: lower learning_rate or look for bad data"
        )
    scores = task.scores(average)
    task.save(average, output / "last.safetensors", progress.step, scores)
    if scores["score"] > progress.best:
        progress.best = scores["score"]
        task.save(average, output / "best.safetensors", progress.step, scores)
    line = {
        "step": progress.step,
        "loss": sum(finite) / len(finite),
        "skipped": len(progress.losses) - len(finite),
        **scores,
    }
    progress.losses.clear()
    _append_log(output / "log.json", line)
    return line


def _save_state(
    path: Path,
    progress: _Progress,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    state = {
        "progress": asdict(progress),
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    with partial_file(path) as temporary:
        torch.save(state, temporary)


def _load_state(
    path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> _Progress:
    try:
        state = torch.load(path, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        return _Progress(**state["progress"])
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        UnpicklingError,
    ) as e:
        raise WeightsError(
            f"cannot go on from '{path}': it is damaged or of another network; give another output "
            "folder, or remove it to start anew"
        ) from e


def _append_log(path: Path, line: dict[str, float]) -> None:
    log = json.loads(path.read_text()) if path.exists() else []
    # A run that was killed between a validation and its next state comes here twice.
    earlier = [entry for entry in log if entry["step"] < line["step"]]
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps([*earlier, line], indent=1))
