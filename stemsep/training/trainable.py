"""Networks that separate -> the module that is trained, and back."""

from __future__ import annotations

from torch import Tensor, nn

from stemsep.models import MaskNetwork, SeparationNetwork, Spleeter
from stemsep.training.presence import HeardStems

__all__ = ["separator_in", "trainable"]

EPSILON = 1e-10


class _StemMagnitudes(nn.Module):
    """Spleeter as it was trained: each stem's magnitude by itself, before they share the mixture.

    Reference: R. Hennequin et al., "Spleeter: a fast and efficient music source separation tool
    with pre-trained models", JOSS 5(50), 2020.
    """

    def __init__(self, network: Spleeter) -> None:
        super().__init__()
        self.network = network

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return masks ``(batch, stems, channels, freq, time)``, each between 0 and 1."""
        return self.network.estimate(magnitude) / (magnitude[:, None] + EPSILON)


def trainable(network: SeparationNetwork, *, presence: bool = False) -> nn.Module:
    """Return the module whose output the loss is computed of.

    Args:
        network: what is trained.
        presence: only what it says about which stems are heard is.
    """
    if presence and isinstance(network, MaskNetwork):
        return HeardStems(network)
    return _StemMagnitudes(network) if isinstance(network, Spleeter) else network


def separator_in(module: nn.Module) -> nn.Module:
    """Return the network inside what `trainable` gave."""
    return module.network if isinstance(module, _StemMagnitudes | HeardStems) else module
