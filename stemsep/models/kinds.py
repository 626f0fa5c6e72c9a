"""The kinds of networks that separate, which all have the same interface.

Each takes magnitudes ``(batch, 2, freq, time)`` and gives masks ``(batch, stems, 2, freq, time)``
for all bins; its ``config`` has ``stems``, ``sample_rate``, ``stft``, ``time_stride`` (chunks are
multiples of so many frames) and ``sums_to_one``.
"""

from __future__ import annotations

from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig
from stemsep.models.spleeter import Spleeter, SpleeterConfig

__all__ = ["SeparationConfig", "SeparationNetwork", "build_separation_network"]

SeparationNetwork = MaskNetwork | Spleeter
SeparationConfig = MaskNetworkConfig | SpleeterConfig


def build_separation_network(config: SeparationConfig) -> SeparationNetwork:
    """Return the untrained network of a configuration."""
    return Spleeter(config) if isinstance(config, SpleeterConfig) else MaskNetwork(config)
