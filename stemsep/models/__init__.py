"""Features -> masks: the U-Net core, its configuration and presets.

Takes: magnitudes ``(batch, channels, freq, time)``, or real and imaginary parts. Gives: masks
``(batch, stems, channels, freq, time)``. Next stage: `stemsep.separation` (masks -> stems).
"""

from stemsep.models.cost import count_parameters, gmac_per_second, macs
from stemsep.models.image_network import ImageNetworkConfig
from stemsep.models.kinds import (
    SeparationConfig,
    SeparationNetwork,
    build_separation_network,
    network_input,
)
from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig, extend_masks
from stemsep.models.openunmix import OpenUnmix, OpenUnmixConfig
from stemsep.models.presets import PRESETS, build
from stemsep.models.scnet import SCNet, SCNetConfig
from stemsep.models.spleeter import SPLEETER_MODELS, Spleeter, SpleeterConfig
from stemsep.models.unet import UNet, UNetConfig

__all__ = [
    "PRESETS",
    "SPLEETER_MODELS",
    "ImageNetworkConfig",
    "MaskNetwork",
    "MaskNetworkConfig",
    "OpenUnmix",
    "OpenUnmixConfig",
    "SCNet",
    "SCNetConfig",
    "SeparationConfig",
    "SeparationNetwork",
    "Spleeter",
    "SpleeterConfig",
    "UNet",
    "UNetConfig",
    "build",
    "build_separation_network",
    "count_parameters",
    "extend_masks",
    "gmac_per_second",
    "macs",
    "network_input",
]
