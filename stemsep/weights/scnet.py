"""SCNet's published checkpoint -> its network; sizes are read off the tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stemsep.errors import ParameterError, WeightsError
from stemsep.models import SCNet, SCNetConfig

__all__ = ["NAMES", "from_state_dict", "is_scnet"]

NAMES = (
    (r"encoder\.(\d+)\.SDlayer\.convs\.", r"down.\1.bands."),
    (r"encoder\.(\d+)\.conv_modules\.(\d+)\.layers\.(\d+)\.", r"down.\1.blocks.\2.\3.layers."),
    (r"encoder\.(\d+)\.globalconv\.", r"down.\1.merge."),
    (r"separation_net\.dp_modules\.(\d+)\.norm_layers\.", r"paths.\1.norms."),
    (r"separation_net\.dp_modules\.(\d+)\.lstm_layers\.", r"paths.\1.recurrent."),
    (r"separation_net\.dp_modules\.(\d+)\.linear_layers\.", r"paths.\1.linear."),
    (r"decoder\.(\d+)\.0\.conv\.", r"up.\1.fuse."),
    (r"decoder\.(\d+)\.1\.convtrs\.", r"up.\1.bands."),
)
"""How the published tensors' names begin, and how ours do."""

TRAINING_KEYS = ("best_state", "state")
"""Where files of the program that trains such networks keep the tensors, beside an optimizer."""


def is_scnet(stored: Any) -> bool:
    """Return whether what a file holds looks like such a network."""
    return any(re.match(NAMES[0][0], name) for name in _tensors(stored))


def from_state_dict(path: Path, stored: Any) -> SCNet:
    """Return the network of a state dict, or of what the program that trains them saves.

    Args:
        path: of its file, for messages.
        stored: what the file holds; see `is_scnet`.

    Raises:
        WeightsError: a network of other bands or layers, or one with a tensor too few or too many.
    """
    state = {_ours(name): value for name, value in _tensors(stored).items()}
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise WeightsError(f"'{path}' is no network of SCNet's: '{name}' is no tensor")
    try:
        config = _config(state)
        with torch.device("meta"):
            network = SCNet(config)
        network.load_state_dict(
            {name: tensor.float() for name, tensor in state.items()}, assign=True
        )
    except KeyError as error:
        raise WeightsError(f"'{path}' is no network of SCNet's: no {error} in it") from error
    except (ParameterError, RuntimeError) as error:
        last = str(error).splitlines()[-1].strip()
        raise WeightsError(f"'{path}' is no network of SCNet's as published: {last}") from error
    return network.eval()


def _config(state: Mapping[str, Tensor]) -> SCNetConfig:
    levels = {int(found[1]) for name in state if (found := re.match(r"down\.(\d+)\.", name))}
    widths = tuple(state[f"down.{level}.merge.bias"].shape[0] for level in sorted(levels))
    config = SCNetConfig(widths=widths)
    given = state[f"up.{len(widths) - 1}.bands.0.bias"].shape[0]
    if given != 4 * len(config.stems):
        raise ParameterError(
            f"it gives {given // 4} stems, of which the names of {len(config.stems)} are known"
        )
    return config


def _tensors(stored: Any) -> Mapping[str, Any]:
    """Return the part of a file that holds the network, none if there is no such part."""
    for key in TRAINING_KEYS:
        if isinstance(stored, Mapping) and isinstance(stored.get(key), Mapping):
            stored = stored[key]
            break
    if not isinstance(stored, Mapping) or not all(isinstance(name, str) for name in stored):
        return {}
    # Trained on several devices, every name begins like this.
    return {name.removeprefix("module."): value for name, value in stored.items()}


def _ours(name: str) -> str:
    for theirs, ours in NAMES:
        name, found = re.subn(rf"^{theirs}", ours, name)
        if found:
            return name
    return name
