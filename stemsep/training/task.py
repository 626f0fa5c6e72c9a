"""What the engine trains: the interface between the loop and separation, distillation or images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Task", "on_device"]

Batch = TypeVar("Batch")
"""A tensor, or a tuple, list or dict of such batches; the first axis is the examples'."""


class Task(Protocol[Batch]):
    """What is trained: a network, its batches, its loss, its scores and its file format.

    Example ``i`` of a step's batch depends on the seed, the step and ``i`` alone, never on what was
    drawn before. That is what makes a resumed run exact, lets several processes take shares of
    one batch, and lets a batch be taken in parts.
    """

    @property
    def network(self) -> nn.Module:
        """The network, on the CPU; the engine moves it where it is trained."""

    def batch(self, step: int, examples: range) -> Batch:
        """Return these examples of a step's batch, on the CPU; called in a thread of its own."""

    def sources(self, step: int, examples: range) -> Sequence[str]:
        """Return the files or songs of these examples, for messages about a bad batch."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the scalar loss of a batch, its examples' mean; on the network's device."""

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return validation scores; ``score`` is the one that decides, higher is better."""

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        """Write the network as a checkpoint."""

    def pictures(self, network: nn.Module) -> Mapping[str, NDArray[np.uint8]]:
        """Return named pictures ``(height, width, 3)`` of predictions for loggers; may be empty."""


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a batch with its tensors on a device."""
    moved: Any = batch
    if isinstance(batch, Tensor):
        moved = batch.to(device, non_blocking=True)
    elif isinstance(batch, dict):
        moved = {key: on_device(part, device) for key, part in batch.items()}
    elif isinstance(batch, tuple | list):
        moved = type(batch)(on_device(part, device) for part in batch)
    return moved  # type: ignore[no-any-return]
