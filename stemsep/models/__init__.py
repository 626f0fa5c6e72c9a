"""Features -> masks: the U-Net core, its configuration and presets.

Takes: magnitudes ``(batch, channels, freq, time)``. Gives: masks
``(batch, stems, channels, freq, time)``. Next stage: `stemsep.separation` (masks -> stems).
"""

from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig, extend_masks
from stemsep.models.unet import UNet, UNetConfig

__all__ = ["MaskNetwork", "MaskNetworkConfig", "UNet", "UNetConfig", "extend_masks"]
