"""The task of distillation: a network learns from a teacher's stems, beside the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stemsep.training.separation import Batch, SeparationTask
from stemsep.training.teacher import Teacher

__all__ = ["DistillationTask"]


class DistillationTask:
    """A `SeparationTask` whose loss is shared between the truth and a teacher.

    Songs without stems are learned from the teacher alone.

    Args:
        student: the network, its examples and its scores.
        teacher: what labels the mixtures.
    """

    def __init__(self, student: SeparationTask, teacher: Teacher) -> None:
        self.student, self.teacher = student, teacher

    @property
    def network(self) -> nn.Module:
        """The student's."""
        return self.student.network

    def batch(self, step: int, examples: range) -> Batch:
        """Return these examples of a step."""
        return self.student.batch(step, examples)

    def sources(self, step: int, examples: range) -> Sequence[str]:
        """Return the names of the tracks that were drawn for these examples."""
        return self.student.sources(step, examples)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the loss against the true stems and against the teacher's."""
        masks, mixture = self.student.masks(network, batch)
        labelled = batch["reliable"].amax(1, keepdim=True)  # (batch, 1)
        share = 1 - labelled * (1 - self.teacher.config.weight)
        stems, sure = self.teacher.stems(batch["mixture"])
        truth = {**batch, "reliable": batch["reliable"] * (1 - share)}
        taught = {**batch, "stems": stems, "reliable": sure * share}
        return self.student.masks_loss(masks, mixture, truth) + self.student.masks_loss(
            masks, mixture, taught
        )

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return the scores on the validation tracks."""
        return self.student.scores(network)

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        """Write a checkpoint."""
        self.student.save(network, path, step, scores)

    def pictures(self, network: nn.Module) -> Mapping[str, NDArray[np.uint8]]:
        """Return the student's pictures."""
        return self.student.pictures(network)
