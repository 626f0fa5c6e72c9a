"""What takes the steps, and how long they are."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from stemsep.training.config import TrainConfig

__all__ = ["build_optimizer", "learning_rate"]


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    """Return the configured optimizer of the parameters that are trained."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate, decay, momentum = config.learning_rate, config.weight_decay, config.momentum
    if config.optimizer == "adam":
        return torch.optim.Adam(trained, lr=rate, weight_decay=decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=rate, weight_decay=decay)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(trained, lr=rate, weight_decay=decay, momentum=momentum)
    return torch.optim.SGD(trained, lr=rate, weight_decay=decay, momentum=momentum)


def learning_rate(config: TrainConfig, step: int, *, reductions: int = 0) -> float:
    """Return the learning rate of a step.

    Args:
        config: which schedule.
        step: counted from 0.
        reductions: how often a plateau has lowered the rate.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        rest = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))
    if config.schedule == "plateau":
        return config.learning_rate * config.plateau_factor**reductions
    return config.learning_rate
