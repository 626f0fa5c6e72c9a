"""One batch learned by heart: the quickest sign that a network and its loss work at all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stemsep.errors import ParameterError

__all__ = ["FALL", "overfit"]

FALL = 10.0
"""The loss of a batch has been learned by heart when it has fallen to this part."""


def overfit(
    network: nn.Module,
    loss: Callable[[nn.Module], Tensor],
    *,
    steps: int = 500,
    learning_rate: float = 3e-3,
    progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> list[float]:
    """Train a network on one batch until its loss has fallen tenfold, and return all losses.

    Args:
        network: changed in place, in training mode.
        loss: of the batch.
        steps: at most so many, with Adam.
        learning_rate: of Adam.
        progress: called with the step and its loss.

    Raises:
        ParameterError: the loss is not finite.
    """
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    losses: list[float] = []
    for step in range(steps):
        value = loss(network)
        if not torch.isfinite(value):
            raise ParameterError(f"the loss is not finite at step {step}: lower the learning rate")
        losses.append(value.item())
        progress(step, losses[-1])
        if losses[-1] <= losses[0] / FALL:
            break
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses
