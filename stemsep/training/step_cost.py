"""What a training step costs, found out without computing it.

The forward pass runs on tensors that have shapes and no values. Counted are the weights with all
that goes with each (gradient, optimizer, average) and the tensors that the network keeps for its
backward pass. What the loss and the convolutions need while they work comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from stemsep.models.cost import count_parameters
from stemsep.training.config import TrainConfig
from stemsep.training.precision import autocast

__all__ = ["StepCost", "step_cost"]

KEPT = {"adam": 2, "adamw": 2, "rmsprop": 2, "sgd": 1}
"""Values that an optimizer keeps for each weight (rmsprop and sgd: momentum included)."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What a step costs in one process.

    Args:
        parameters: values that are trained.
        macs: multiply-accumulates of one forward pass of one example; the backward pass takes
            about twice as many.
        weights_bytes: weights, gradients, the optimizer's values and the average.
        kept_bytes: what the network keeps of a part of the batch for the backward pass.
    """

    parameters: int
    macs: int
    weights_bytes: int
    kept_bytes: int

    def __str__(self) -> str:
        total = (self.weights_bytes + self.kept_bytes) / 2**20
        return (
            f"{self.parameters:,} parameters\n"
            f"{self.macs / 1e9:.3g} GMAC forward for an example, about three times that a step\n"
            f"{total:,.0f} MiB for a step (estimated: {self.weights_bytes / 2**20:,.0f} weights, "
            f"gradients, optimizer and average, {self.kept_bytes / 2**20:,.0f} kept for the "
            "backward pass; the data, the loss and the working memory come on top)"
        )


def step_cost(
    build: Callable[[], nn.Module], shape: Sequence[int], config: TrainConfig
) -> StepCost:
    """Return the cost of a step of one process that takes the whole batch.

    Args:
        build: makes the network.
        shape: of one example as the network takes it.
        config: batch size, parts, precision and optimizer.
    """
    part = math.ceil(config.batch_size / config.accumulate)
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage.nbytes()
        return tensor

    with FakeTensorMode():
        network, features = build().train(), torch.zeros(part, *shape)
        own = {p.untyped_storage()._cdata for p in [*network.parameters(), *network.buffers()]}
        with (
            FlopCounterMode(display=False) as counter,
            saved_tensors_hooks(note, lambda tensor: tensor),
            autocast(config.precision, torch.device("cpu")),
        ):
            kept_alive = network(features)  # noqa: F841 (as storages may share an address else)
    values = count_parameters(network)
    return StepCost(
        parameters=values,
        macs=int(counter.get_total_flops()) // 2 // part,
        weights_bytes=4 * values * (3 + KEPT[config.optimizer]),
        kept_bytes=sum(size for storage, size in storages.items() if storage not in own),
    )
