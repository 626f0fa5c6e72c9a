"""Small networks with random but fixed weights, for tests of what surrounds a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stemsep.data.shipped import shipped_folder
from stemsep.dsp import STFTConfig
from stemsep.models import (
    MaskNetwork,
    MaskNetworkConfig,
    OpenUnmix,
    OpenUnmixConfig,
    SCNet,
    SCNetConfig,
    Spleeter,
    SpleeterConfig,
    UNetConfig,
)

STEMS = ("vocals", "drums", "bass", "other")


def recipes_of_sound() -> list[Path]:
    """Return the shipped recipes that train separators."""
    paths = sorted(shipped_folder("recipes").glob("*.toml"))
    return [path for path in paths if "[[sources]]" in path.read_text()]


def tiny_config(**unet: Any) -> MaskNetworkConfig:
    """Return the configuration of a network that takes milliseconds a second of sound."""
    settings: dict[str, Any] = {
        "in_channels": 2,
        "out_channels": 2,
        "stems": 4,
        "channels": (4, 4),
        "activation": "leaky_relu",
        "downsample": "strided",
        "skip": "add",
        "head": "softmax",
        "subbands": 4,
        "compression": 10.0,
    }
    return MaskNetworkConfig(
        stems=STEMS,
        sample_rate=8000,
        n_bins=128,
        stft=STFTConfig(n_fft=256, hop_length=64),
        unet=UNetConfig(**{**settings, **unet}),
    )


def tiny_network(seed: int = 0, **unet: Any) -> MaskNetwork:
    """Return a network of `tiny_config` whose masks differ between stems, bins and frames."""
    torch.manual_seed(seed)
    network = MaskNetwork(tiny_config(**unet)).eval()
    with torch.no_grad():
        network.unet.head.weight.mul_(8)
    return network


def small_spleeter(seed: int = 0, **config: Any) -> Spleeter:
    """Return a network of Spleeter's shape that sees few bins at a low rate."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "stems": ("vocals", "accompaniment"),
        "sample_rate": 8000,
        "n_bins": 64,
        "stft": STFTConfig(n_fft=256, hop_length=64),
    }
    network = Spleeter(SpleeterConfig(**{**settings, **config})).eval()
    with torch.no_grad():
        for part in network.networks:
            part.head.weight.mul_(8)
    return network


def small_openunmix(seed: int = 0, **config: Any) -> OpenUnmix:
    """Return a network of Open-Unmix's shape that sees few bins at a low rate."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "stems": ("vocals", "accompaniment"),
        "sample_rate": 8000,
        "hidden_size": 8,
        "n_bins": 64,
        "stft": STFTConfig(n_fft=256, hop_length=64),
    }
    network = OpenUnmix(OpenUnmixConfig(**{**settings, **config})).eval()
    with torch.no_grad():
        for part in network.networks:
            part.fc3.weight.mul_(20)
    return network


def small_scnet(seed: int = 0, **config: Any) -> SCNet:
    """Return a network of SCNet's shape that is narrow and sees few bins at a low rate."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "widths": (4, 4, 8),
        "sample_rate": 8000,
        "stft": STFTConfig(n_fft=256, hop_length=64, window="rectangular"),
    }
    return SCNet(SCNetConfig(**{**settings, **config})).eval()
