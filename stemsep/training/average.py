"""The moving average of a network's weights, which scores better than the last of them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["update_average"]


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move ``average`` towards ``network``, in place: decay * average + (1 - decay) * network.

    Statistics of batch norms are averaged as the weights are; counters are copied.
    """
    means, values = [], []
    for mean, value in zip(_tensors(average), _tensors(network), strict=True):
        if mean.is_floating_point():
            means.append(mean)
            values.append(value)
        else:
            mean.copy_(value)
    torch._foreach_lerp_(means, values, 1 - decay)


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
