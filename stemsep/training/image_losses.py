"""How far logits are from the true classes of pixels.

All are computed in float32, whatever the network ran in. Pixels can have weights: of a map (see
`stemsep.data.image_borders`), and ``pos_weight`` for all that is not background.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LOSSES", "Loss", "segmentation_loss"]

Loss = Literal["ce", "bce", "dice", "ce+dice", "bce+dice", "focal"]
LOSSES: tuple[Loss, ...] = ("ce", "bce", "dice", "ce+dice", "bce+dice", "focal")

FOCUS = 2.0
"""γ of the focal loss."""


def segmentation_loss(
    logits: Tensor,
    target: Tensor,
    *,
    kind: Loss,
    pos_weight: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return the scalar loss of a batch, a mean over its pixels; sums for ``a+b``.

    Args:
        logits: ``(batch, outputs, height, width)``; one output stands for two classes.
        target: ``(batch, height, width)`` class numbers.
        kind: ``ce`` is the cross-entropy over the classes (with one output the binary one),
            ``bce`` the binary one of each output (against all other classes), ``dice`` one minus
            the soft Dice coefficient, ``focal`` the cross-entropy weighted by how wrong a pixel
            still is.
        pos_weight: how many times a pixel counts that is not of class 0 (in ``bce``: the positive
            term of each output, as in PyTorch).
        weight: ``(batch, height, width)``, of each pixel.

    Reference: F. Milletari et al., "V-Net", 3DV 2016 (arXiv 1606.04797) for soft Dice; T.-Y. Lin et
    al., "Focal loss for dense object detection", ICCV 2017 (arXiv 1708.02002).
    """
    logits = logits.float()
    total = logits.new_zeros(())
    for part in kind.split("+"):
        if part == "dice":
            total = total + _soft_dice(logits, target)
            continue
        if part == "ce":
            pixels = _cross_entropy(logits, target)
        elif part == "focal":
            pixels = _focal(logits, target)
        else:
            pixels = _binary(logits, target, pos_weight)
        if pos_weight != 1 and part != "bce":
            pixels = pixels * torch.where(target > 0, pos_weight, 1.0)
        total = total + (pixels if weight is None else pixels * weight).mean()
    return total


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy ``(batch, height, width)``."""
    if logits.shape[1] == 1:
        return _binary(logits, target, 1.0)
    return functional.cross_entropy(logits, target, reduction="none")


def _binary(logits: Tensor, target: Tensor, pos_weight: float) -> Tensor:
    """Return the binary cross-entropy of the outputs' mean, ``(batch, height, width)``."""
    each = functional.binary_cross_entropy_with_logits(
        logits,
        _one_hot(target, logits.shape[1]),
        reduction="none",
        pos_weight=torch.tensor(pos_weight, device=logits.device),
    )
    return each.mean(1)


def _focal(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``(1 - p)^γ`` times the cross-entropy, p the probability of the true class."""
    cross = _cross_entropy(logits, target)
    return (1 - torch.exp(-cross)) ** FOCUS * cross


def _soft_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return one minus the Dice coefficient, over the batch's pixels, mean of the classes."""
    likely = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
    true = _one_hot(target, logits.shape[1])
    both = (likely * true).sum((0, 2, 3))
    size = (likely + true).sum((0, 2, 3))
    # The one pixel added to both keeps a class that is nowhere from dividing by zero.
    return 1 - ((2 * both + 1) / (size + 1)).mean()


def _one_hot(target: Tensor, outputs: int) -> Tensor:
    """Return ``(batch, outputs, height, width)`` of 0 and 1."""
    if outputs == 1:
        return (target > 0).float()[:, None]
    return functional.one_hot(target, outputs).movedim(-1, 1).float()
