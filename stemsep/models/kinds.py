"""The kinds of networks that separate, which all have the same interface.

Each takes `magnitudes` ``(batch, features, freq, time)`` and gives masks
``(batch, stems, 2, freq, time)`` for all bins; its ``config`` has ``stems``, ``sample_rate``,
``stft``, ``time_stride`` (chunks are multiples of so many frames) and ``sums_to_one``.
"""

from __future__ import annotations

from torch import Tensor

from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig, with_side
from stemsep.models.openunmix import OpenUnmix, OpenUnmixConfig
from stemsep.models.spleeter import Spleeter, SpleeterConfig

__all__ = ["SeparationConfig", "SeparationNetwork", "build_separation_network", "magnitudes"]

SeparationNetwork = MaskNetwork | Spleeter | OpenUnmix
SeparationConfig = MaskNetworkConfig | SpleeterConfig | OpenUnmixConfig


def build_separation_network(config: SeparationConfig) -> SeparationNetwork:
    """Return the untrained network of a configuration."""
    if isinstance(config, OpenUnmixConfig):
        return OpenUnmix(config)
    return Spleeter(config) if isinstance(config, SpleeterConfig) else MaskNetwork(config)


def magnitudes(spectrum: Tensor, config: SeparationConfig) -> Tensor:
    """Return what a network takes, ``(batch, features, freq, time)``: see `MaskNetworkConfig`.

    Args:
        spectrum: ``(batch, 2, freq, time)``, complex, of the mixture.
        config: of the network.
    """
    side = isinstance(config, MaskNetworkConfig) and config.features == "left_right_side"
    return (with_side(spectrum) if side else spectrum).abs()
