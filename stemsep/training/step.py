"""One step of the optimizer, by all ranks alike, which changes nothing where it is not finite."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from stemsep.errors import ParameterError
from stemsep.training.config import TrainConfig
from stemsep.training.distributed import Ranks, gathered_numbers, split, unsynchronised
from stemsep.training.optimizer import learning_rate
from stemsep.training.precision import autocast
from stemsep.training.state import Run
from stemsep.training.task import Task, on_device

__all__ = ["Step", "bad_sources", "take_step"]

Batch = TypeVar("Batch")

NAMED = 12
"""Sources of a bad batch that a message names."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step came to.

    Args:
        loss: of the whole batch; NaN where the step was left out.
        gradient_norm: before clipping.
        rate: the learning rate.
        bad: where the step was left out, the examples among which something is not finite.
        overflow: it was left out only because fp16 was scaled too high, which mends itself.
        flags: of each rank, what it gave.
    """

    loss: float
    gradient_norm: float
    rate: float
    bad: Sequence[range]
    overflow: bool
    flags: Sequence[Sequence[float]]


def take_step(
    task: Task[Batch],
    run: Run,
    model: nn.Module,
    parts: Sequence[tuple[range, Batch]],
    config: TrainConfig,
    *,
    device: torch.device,
    ranks: Ranks,
    flags: Sequence[bool],
) -> Step:
    """Take the next step of a run, or leave network and optimizer as they are.

    Args:
        task: its loss is what is lowered.
        run: what is changed.
        model: the network as the loss is to call it.
        parts: this rank's share of the batch, in parts, each with the examples in it.
        config: how.
        device: where.
        ranks: which of the processes this is.
        flags: told to all other ranks, as they cannot know them.
    """
    rate = learning_rate(config, run.progress.step, reductions=run.progress.reductions)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    # The statistics of batch norms take in a batch before its loss is known.
    buffers = [buffer.clone() for buffer in run.network.buffers()]
    run.optimizer.zero_grad()
    losses = _backward(task, run, model, parts, config, device=device, ranks=ranks)
    run.scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), config.clip_norm or math.inf).item()
    told = gathered_numbers([*losses, norm, *flags], device)

    shares = [split(share, len(parts)) for share in split(range(config.batch_size), ranks.count)]
    each = [
        (part, loss)
        for share, numbers in zip(shares, told, strict=True)
        for part, loss in zip(share, numbers[: len(parts)], strict=True)
    ]
    bad, overflow = [part for part, loss in each if not math.isfinite(loss)], False
    if not bad and not all(math.isfinite(numbers[len(parts)]) for numbers in told):
        bad, overflow = [range(config.batch_size)], run.scaler.get_scale() > 1
    if bad:
        for buffer, value in zip(run.network.buffers(), buffers, strict=True):
            buffer.copy_(value)
    else:
        run.scaler.step(run.optimizer)
    run.scaler.update()
    return Step(
        loss=math.nan if bad else sum(loss * len(p) for p, loss in each) / config.batch_size,
        gradient_norm=norm,
        rate=rate,
        bad=bad,
        overflow=overflow,
        flags=[numbers[len(parts) + 1 :] for numbers in told],
    )


def bad_sources(
    task: Task[Batch],
    network: nn.Module,
    step: int,
    bad: Sequence[range],
    config: TrainConfig,
    device: torch.device,
) -> str:
    """Return, as text, the sources of the examples whose own loss is not finite.

    Where each alone is finite, it is the sources of all of them.
    """
    network = copy.deepcopy(network).eval()
    examples = [range(i, i + 1) for part in bad for i in part]

    def finite(example: range) -> bool:
        with torch.no_grad(), autocast(config.precision, device):
            loss = task.loss(network, on_device(task.batch(step, example), device))
        return bool(torch.isfinite(loss))

    guilty = [example for example in examples if not finite(example)] or examples
    names = dict.fromkeys(name for example in guilty for name in task.sources(step, example))
    shown = [f"'{name}'" for name in names][:NAMED]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _backward(
    task: Task[Batch],
    run: Run,
    model: nn.Module,
    parts: Sequence[tuple[range, Batch]],
    config: TrainConfig,
    *,
    device: torch.device,
    ranks: Ranks,
) -> list[float]:
    """Add up the gradients of the parts and return their losses."""
    losses: list[Tensor] = []
    for number, (examples, batch) in enumerate(parts, 1):
        # Ranks are averaged, parts added: this makes each example count alike.
        weight = len(examples) * ranks.count / config.batch_size
        with unsynchronised(model, when=number < len(parts)), _told_if_too_large(device):
            with autocast(config.precision, device):
                loss = task.loss(model, batch)
            run.scaler.scale(loss * weight).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return [loss.item() for loss in losses]


@contextmanager
def _told_if_too_large(device: torch.device) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch's own class is a RuntimeError too, and only on GPUs
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            raise ParameterError(
                f"out of memory on {device}: lower batch_size, or raise accumulate, which takes a "
                "batch in parts"
            ) from error
        raise
