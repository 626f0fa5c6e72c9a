"""Open-Unmix's published state dicts, one a stem -> one network of all stems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stemsep.errors import ParameterError, WeightsError
from stemsep.models import OpenUnmix, OpenUnmixConfig
from stemsep.weights.state_dict import read_state_dict

__all__ = ["STEMS", "is_openunmix", "read_openunmix"]

STEMS = ("vocals", "drums", "bass", "other")
"""The stems of all published models; each has a file whose name begins like that."""

LEFTOVERS = ("sample_rate", "stft.window", "transform.0.window")
"""What old files hold besides the network: constants of the transform before it."""


def read_openunmix(paths: Mapping[str, Path]) -> OpenUnmix:
    """Return the network of state dicts; sizes are read off the tensors.

    Args:
        paths: stem -> its ``.pth`` file.

    Raises:
        WeightsError: a file that is missing, damaged, of another network, or of another size than
            the others.
    """
    states = {stem: _state(path) for stem, path in paths.items()}
    first = next(iter(states.values()))
    try:
        config = OpenUnmixConfig(
            stems=tuple(states),
            hidden_size=int(first["bn1.weight"].shape[0]),
            n_bins=int(first["input_mean"].shape[0]),
        )
    except ParameterError as error:
        raise WeightsError(f"'{next(iter(paths.values()))}': {error}") from error
    with torch.device("meta"):
        network = OpenUnmix(config)
    for (path, state), part in zip(
        zip(paths.values(), states.values(), strict=True), network.networks, strict=True
    ):
        try:
            part.load_state_dict(state, assign=True)
        except RuntimeError as error:
            first_line = str(error).splitlines()[-1].strip()
            raise WeightsError(f"'{path}' is no network of Open-Unmix's: {first_line}") from error
    return network.eval()


def is_openunmix(stored: Any) -> bool:
    """Return whether what a file holds looks like a network of one stem."""
    return isinstance(stored, Mapping) and {"input_mean", "bn1.weight"} <= stored.keys()


def _state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of one stem's network."""
    stored = read_state_dict(path)
    if not is_openunmix(stored):
        raise WeightsError(f"'{path}' is no network of Open-Unmix's: no 'input_mean' in it")
    state = {name: value for name, value in stored.items() if name not in LEFTOVERS}
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise WeightsError(f"'{path}' is no network of Open-Unmix's: '{name}' is no tensor")
    return {n: t.float() if t.is_floating_point() else t for n, t in state.items()}
