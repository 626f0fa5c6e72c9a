"""A trained network -> the same with its batch norms inside the convolutions before them.

In evaluation a batch norm is a factor and an offset for each channel, which the convolution can do
on the way: a pass over the whole memory of the features less for each.
"""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_norms"]

Network = TypeVar("Network", bound=nn.Module)


def fold_norms(network: Network) -> Network:
    """Return a copy of a network in evaluation mode, equal but for rounding, and faster.

    Args:
        network: is not changed; it may share its weights with the copy.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    return folded


def _fold(layers: nn.Sequential) -> None:
    for index in range(len(layers) - 1):
        convolution, norm = layers[index], layers[index + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index] = fuse_conv_bn_eval(convolution, norm)
            layers[index + 1] = nn.Identity()
