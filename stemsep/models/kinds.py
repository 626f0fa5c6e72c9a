"""The kinds of networks that separate, which all have the same interface.

Each takes `network_input` ``(batch, features, freq, time)`` and gives masks
``(batch, stems, 2, freq, time)`` for all bins; its ``config`` has ``stems``, ``sample_rate``,
``stft``, ``n_features``, ``time_stride`` (chunks are multiples of so many frames),
``sums_to_one`` and ``spatial``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig
from stemsep.models.openunmix import OpenUnmix, OpenUnmixConfig
from stemsep.models.scnet import SCNet, SCNetConfig, spectrum_parts
from stemsep.models.spleeter import Spleeter, SpleeterConfig

__all__ = ["SeparationConfig", "SeparationNetwork", "build_separation_network", "network_input"]

SeparationNetwork = MaskNetwork | Spleeter | OpenUnmix | SCNet
SeparationConfig = MaskNetworkConfig | SpleeterConfig | OpenUnmixConfig | SCNetConfig


def build_separation_network(config: SeparationConfig) -> SeparationNetwork:
    """Return the untrained network of a configuration."""
    match config:
        case SpleeterConfig():
            return Spleeter(config)
        case OpenUnmixConfig():
            return OpenUnmix(config)
        case SCNetConfig():
            return SCNet(config)
        case _:
            return MaskNetwork(config)


def network_input(spectrum: Tensor, config: SeparationConfig) -> Tensor:
    """Return what a network takes, ``(batch, features, freq, time)``.

    These are magnitudes (see `MaskNetworkConfig`), or for `SCNet` real and imaginary parts.

    Args:
        spectrum: ``(batch, 2, freq, time)``, complex, of the mixture.
        config: of the network.
    """
    if isinstance(config, SCNetConfig):
        return spectrum_parts(spectrum)
    side = isinstance(config, MaskNetworkConfig) and config.features == "left_right_side"
    if not side:
        return _magnitude(spectrum)
    left, right = spectrum.unbind(-3)
    # What is not in the middle, beside left and right; the half sum follows from the three.
    return torch.stack([_magnitude(plane) for plane in (left, right, (left - right) / 2)], -3)


def _magnitude(spectrum: Tensor) -> Tensor:
    """Return the absolute values of a complex tensor, in half the time that ``abs()`` takes.

    That one makes another complex tensor first.
    """
    real, imaginary = torch.view_as_real(spectrum).unbind(-1)
    return real.square().addcmul_(imaginary, imaginary).sqrt_()
