"""How far estimated spectra are from the true ones.

Spectra come as planes, ``(2, …)``, the real parts and then the imaginary ones: real arithmetic on
contiguous memory takes a third of the time of complex tensors in a training step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["complex_l1", "planes"]


def planes(spectrum: Tensor) -> Tensor:
    """Return a complex ``(…)`` spectrum as ``(2, …)`` real and imaginary planes, contiguous."""
    return torch.stack([spectrum.real, spectrum.imag])


def complex_l1(*, masks: Tensor, mixture: Tensor, reference: Tensor) -> Tensor:
    """Return the mean absolute error of masked spectra, relative to the mixture's level.

    The error of a bin is that of its real plus that of its imaginary part. Dividing by the level
    of each mixture makes quiet and loud excerpts count alike.

    Args:
        masks: ``(batch, stems, channels, freq, time)``, real.
        mixture: ``(2, batch, channels, freq, time)``, planes.
        reference: ``(2, batch, stems, channels, freq, time)``, planes.
    """
    level = mixture.abs().mean(dim=(0, 2, 3, 4), keepdim=True) + 1e-3  # (1, batch, 1, 1, 1)
    mixture, reference = mixture / level, reference / level[:, :, None]
    real = functional.l1_loss(masks * mixture[0, :, None], reference[0])
    return real + functional.l1_loss(masks * mixture[1, :, None], reference[1])
