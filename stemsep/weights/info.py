"""A checkpoint -> what a user wants to know of it before using it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stemsep.models import ImageNetworkConfig, SeparationConfig, UNet
from stemsep.models.cost import count_parameters, gmac_per_second, macs
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import (
    IMAGE_KIND,
    load_network,
    network_kind,
    read_card,
    read_image_card,
)
from stemsep.weights.digest import file_digest

__all__ = ["describe"]


def describe(name_or_path: str | Path) -> dict[str, Any]:
    """Return what is known of a checkpoint, ready for JSON.

    A network for sound has ``gmac_per_second``, its multiply-accumulates, in 10⁹, for one second
    of stereo sound and all stems; one for pictures has ``gmac_per_megapixel``.

    Raises:
        WeightsError: no such model, or a damaged one.
    """
    path = find_checkpoint(name_or_path)
    kind = network_kind(path)
    config, card = read_image_card(path) if kind == IMAGE_KIND else read_card(path)
    network = asdict(config)
    return {
        "name": str(name_or_path),
        "file": str(path),
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "sha256": file_digest(path),
        "description": card.description,
        "kind": kind,
        **(_pictures(config) if isinstance(config, ImageNetworkConfig) else _sound(path, config)),
        "license": card.license,
        "training_data": card.training_data,
        "steps": card.steps,
        "recipe_hash": card.recipe_hash,
        "scores": [dict(score) for score in card.scores],
        "network": network.get("unet", network),
    }


def _sound(path: Path, config: SeparationConfig) -> dict[str, Any]:
    return {
        "stems": list(config.stems),
        "sample_rate": config.sample_rate,
        "n_fft": config.stft.n_fft,
        "hop_length": config.stft.hop_length,
        "parameters": count_parameters(load_network(path)),
        "gmac_per_second": round(gmac_per_second(config), 3),
    }


def _pictures(config: ImageNetworkConfig) -> dict[str, Any]:
    with torch.device("meta"):
        network = UNet(config.unet)
    megapixel = macs(network, 1024, 1024) / 1024**2 * 1e6
    return {
        "channels": config.unet.in_channels,
        "mask_values": list(config.mask_values),
        "scale": config.scale,
        "normalise": config.normalise,
        "parameters": count_parameters(network),
        "gmac_per_megapixel": round(megapixel * config.scale**2 / 1e9, 3),
    }
