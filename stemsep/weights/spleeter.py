"""Spleeter's published checkpoints -> networks.

Stem ``i`` owns 7 convolutions (six down, then the last), 6 transposed ones and 12 norms, each kind
numbered through all stems; number 0 has no suffix. TensorFlow keeps kernels as ``(time, freq, in,
out)``, transposed ones as ``(time, freq, out, in)``: turned round both are what PyTorch wants, with
frequency first as in `stemsep.models.spleeter`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stemsep.errors import WeightsError
from stemsep.models import SPLEETER_MODELS, Spleeter
from stemsep.weights.tensor_bundle import read_bundle

__all__ = ["read_spleeter"]

LEVELS = 6
COUNTER = "global_step"
"""How often the network was trained: the one variable that is no part of it."""


def read_spleeter(prefix: Path) -> Spleeter:
    """Return the network of a published checkpoint: 2, 4 or 5 stems, told by their number.

    Args:
        prefix: path of the checkpoint without ``.index``.

    Raises:
        WeightsError: a damaged checkpoint, or one of another network.
    """
    state: dict[str, Tensor] = {}
    for name, values in read_bundle(prefix):
        if name != COUNTER:
            # The kernels' axes are reversed; vectors stay what they are.
            state[name] = torch.from_numpy(np.array(values.T, np.float32, order="C"))
    stems = sum(name.startswith("conv2d") and name.endswith("/kernel") for name in state) // 13
    config = next((c for c in SPLEETER_MODELS.values() if len(c.stems) == stems), None)
    if config is None:
        raise WeightsError(f"'{prefix}' holds no network of 2, 4 or 5 stems of Spleeter's")
    with torch.device("meta"):
        network = Spleeter(config)
    names = dict(_names(stems))
    wrong = state.keys() ^ set(names)
    if wrong:
        raise WeightsError(f"'{prefix}' is no network of Spleeter's: see variable '{min(wrong)}'")
    renamed = {ours: state[theirs] for theirs, ours in names.items()}
    steps = {name: torch.tensor(0) for name in network.state_dict() if name.endswith("_tracked")}
    try:
        network.load_state_dict({**renamed, **steps}, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(f"'{prefix}' is no network of Spleeter's: {first}") from error
    return network.eval()


def _names(stems: int) -> Iterator[tuple[str, str]]:
    """Yield the name of each variable in TensorFlow, and in our network."""
    for stem in range(stems):
        down, up, norms = 7 * stem, 6 * stem, 12 * stem
        for level in range(LEVELS):
            yield from _layer("conv2d", down + level, stem, f"encoder.{level}")
            yield from _layer("conv2d_transpose", up + level, stem, f"decoder.{level}")
            yield from _norm(norms + level, stem, f"encoder_norms.{level}")
            yield from _norm(norms + LEVELS + level, stem, f"decoder_norms.{level}")
        yield from _layer("conv2d", down + LEVELS, stem, "head")


def _layer(kind: str, number: int, stem: int, ours: str) -> Iterator[tuple[str, str]]:
    theirs = f"{kind}_{number}" if number else kind
    yield f"{theirs}/kernel", f"networks.{stem}.{ours}.weight"
    yield f"{theirs}/bias", f"networks.{stem}.{ours}.bias"


def _norm(number: int, stem: int, ours: str) -> Iterator[tuple[str, str]]:
    theirs = f"batch_normalization_{number}" if number else "batch_normalization"
    parts = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    for name, part in parts.items():
        yield f"{theirs}/{name}", f"networks.{stem}.{ours}.{part}"
