"""Image networks for ``torch.hub.load``; it imports the package beside this file.

torch.hub.load("path/of/stemsep", "unet", source="local")
torch.hub.load("path/of/stemsep", "unet_carvana", source="local", pretrained=True, scale=0.5)
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from stemsep.models import PRESETS, UNet, UNetConfig
from stemsep.weights.carvana import load_carvana

dependencies = ["torch", "numpy", "scipy", "PIL", "safetensors", "urllib3"]


def unet(preset: str = "milesial", **switches: Any) -> UNet:
    """Return an untrained U-Net for pictures.

    Args:
        preset: tiny, small, milesial, milesial-bilinear or ronneberger.
        switches: of `stemsep.models.UNetConfig`, such as ``in_channels=1, out_channels=3``.
    """
    config = PRESETS.get(preset)
    if not isinstance(config, UNetConfig):
        names = [name for name, known in PRESETS.items() if isinstance(known, UNetConfig)]
        raise ValueError(f"no image network '{preset}': choose from {', '.join(names)}")
    return UNet(replace(config, **switches))


def unet_carvana(pretrained: bool = False, scale: float = 0.5) -> UNet:
    """Return milesial/Pytorch-UNet's network for Carvana's cars: 3 channels in, 2 classes out.

    It takes pictures with values from 0 to 1, resized by ``scale``.

    Args:
        pretrained: with its weights, downloaded when first used into torch.hub's folder.
        scale: 0.5 or 1.0; there are weights for each.
    """
    if not pretrained:
        return unet()
    network, _ = load_carvana(Path(torch.hub.get_dir(), "checkpoints"), scale=scale)
    return network
