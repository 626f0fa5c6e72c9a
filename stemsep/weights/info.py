"""A checkpoint -> what a user wants to know of it before using it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from stemsep.models.cost import count_parameters, gmac_per_second
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import load_network, read_card
from stemsep.weights.digest import file_digest

__all__ = ["describe"]


def describe(name_or_path: str | Path) -> dict[str, Any]:
    """Return what is known of a checkpoint, ready for JSON.

    ``gmac_per_second`` are the network's multiply-accumulates, in 10⁹, for one second of stereo
    sound and all stems.

    Raises:
        WeightsError: no such model, or a damaged one.
    """
    path = find_checkpoint(name_or_path)
    config, card = read_card(path)
    network = asdict(config)
    return {
        "name": str(name_or_path),
        "file": str(path),
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "sha256": file_digest(path),
        "description": card.description,
        "stems": list(config.stems),
        "sample_rate": config.sample_rate,
        "n_fft": config.stft.n_fft,
        "hop_length": config.stft.hop_length,
        "parameters": count_parameters(load_network(path)),
        "gmac_per_second": round(gmac_per_second(config), 3),
        "license": card.license,
        "training_data": card.training_data,
        "steps": card.steps,
        "recipe_hash": card.recipe_hash,
        "scores": [dict(score) for score in card.scores],
        "network": network.get("unet", network),
    }
