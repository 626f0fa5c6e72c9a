"""A checkpoint -> what a user wants to know of it before using it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stemsep.models import ImageNetworkConfig, SeparationConfig, UNet, build_separation_network
from stemsep.models.cost import count_parameters, gmac_per_second, macs
from stemsep.weights.catalog import find_checkpoint, shipped_checkpoints
from stemsep.weights.checkpoint import Card, kind_of, read_any_card
from stemsep.weights.digest import file_digest
from stemsep.weights.published import PUBLISHED, PublishedModel, published_name
from stemsep.weights.store import published_card, stored_models

__all__ = ["describe", "describe_all"]


def describe(name_or_path: str | Path) -> dict[str, Any]:
    """Return what is known of a network, ready for JSON.

    A network for sound has ``gmac_per_second``, its multiply-accumulates, in 10⁹, for one second
    of stereo sound and all stems; one for pictures has ``gmac_per_megapixel``. ``file`` is None
    for a published network that is not here; ``megabytes`` are then those to fetch, about.

    Raises:
        WeightsError: no such model, or a damaged one.
    """
    model = PUBLISHED.get(published_name(str(name_or_path)))
    if model and model.name not in stored_models():
        return _published(model)
    path = find_checkpoint(name_or_path)
    return {**_here(str(name_or_path), path), "sha256": file_digest(path)}


def describe_all() -> list[dict[str, Any]]:
    """Return what is known of every network that is here or can be had by name."""
    here = {**shipped_checkpoints(), **stored_models()}
    away = [model for name, model in PUBLISHED.items() if name not in here]
    return [_here(name, path) for name, path in here.items()] + [_published(m) for m in away]


def _here(name: str, path: Path) -> dict[str, Any]:
    config, card = read_any_card(path)
    size = path.stat().st_size / 1e6
    return {"name": name, "file": str(path), "megabytes": round(size, 2), **_told(config, card)}


def _published(model: PublishedModel) -> dict[str, Any]:
    size = {"name": model.name, "file": None, "megabytes": model.megabytes}
    return {**size, **_told(model.config, published_card(model))}


def _told(config: SeparationConfig | ImageNetworkConfig, card: Card) -> dict[str, Any]:
    network = asdict(config)
    return {
        "description": card.description,
        "kind": kind_of(config),
        **(_pictures(config) if isinstance(config, ImageNetworkConfig) else _sound(config)),
        "license": card.license,
        "training_data": card.training_data,
        "steps": card.steps,
        "recipe_hash": card.recipe_hash,
        "scores": [dict(score) for score in card.scores],
        "sources": [dict(source) for source in card.sources],
        "network": network.get("unet", network),
    }


def _sound(config: SeparationConfig) -> dict[str, Any]:
    with torch.device("meta"):
        network = build_separation_network(config)
    return {
        "stems": list(config.stems),
        "sample_rate": config.sample_rate,
        "n_fft": config.stft.n_fft,
        "hop_length": config.stft.hop_length,
        "spatial_filter": config.spatial,
        "parameters": count_parameters(network),
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
