"""Everything that a run is, in memory and in the file that a stopped one goes on from."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import nn

from stemsep.audio.atomic import partial_file
from stemsep.errors import WeightsError
from stemsep.training.config import TrainConfig

__all__ = [
    "Progress",
    "Run",
    "check_finite",
    "load_state",
    "random_state",
    "save_state",
    "seed_everything",
    "set_random_state",
]

FORMAT = 2
"""Of the file: 1 knew neither itself nor other random numbers than PyTorch's."""


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Args:
        step: steps that are done.
        best: the best score so far.
        stale: validations since the best one.
        reductions: how often a plateau lowered the learning rate.
        bad_step: the last step that was left out as not finite.
        losses: of the steps since the last validation; NaN where one was left out.
    """

    step: int = 0
    best: float = -math.inf
    stale: int = 0
    reductions: int = 0
    bad_step: int | None = None
    losses: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class Run:
    """What a run changes."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress = field(default_factory=Progress)


def save_state(path: Path, run: Run, config: TrainConfig, randoms: list[dict[str, Any]]) -> None:
    """Write the file that a run goes on from; it is complete or not there.

    Args:
        path: of the file.
        run: what to write.
        config: what it is done by.
        randoms: the `random_state` of each rank.

    Raises:
        WeightsError: the weights are not finite.
        OSError: the folder cannot be written, or the disk is full.
    """
    check_finite(run.network, run.progress.step)
    state = {
        "format": FORMAT,
        "config": asdict(config),
        "progress": asdict(run.progress),
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "kind": type(run.optimizer).__name__,
        "optimizer": run.optimizer.state_dict(),
        "scaler": run.scaler.state_dict(),
        "random": randoms,
    }
    with partial_file(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, run: Run, rank: int) -> Mapping[str, Any]:
    """Put a run where its file says it was, and return the settings it was done by.

    Args:
        path: of the file.
        run: a fresh one of the same network and optimizer.
        rank: of this process; its random numbers are restored.

    Raises:
        WeightsError: the file is damaged or of another network or optimizer.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = _upgraded(state)
        run.network.load_state_dict(state["network"])
        run.average.load_state_dict(state["average"])
        if state["kind"] != type(run.optimizer).__name__:
            raise ValueError(state["kind"])
        settings = [_settings(group) for group in run.optimizer.param_groups]
        run.optimizer.load_state_dict(state["optimizer"])
        # The file's settings come along; those of today count.
        for group, now in zip(run.optimizer.param_groups, settings, strict=True):
            group.update(now)
        if state["scaler"] and run.scaler.is_enabled():
            run.scaler.load_state_dict(state["scaler"])
        run.progress = Progress(**state["progress"])
        if rank < len(state["random"]):
            set_random_state(state["random"][rank])
        return dict(state["config"])
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        EOFError,
        UnpicklingError,
    ) as e:
        raise WeightsError(
            f"cannot go on from '{path}': it is damaged or of another network or optimizer; give "
            "another output folder, or remove it to start anew"
        ) from e


def check_finite(network: nn.Module, step: int) -> None:
    """Make sure that nothing that is not finite gets into a file.

    Raises:
        WeightsError: a weight or statistic is not finite.
    """
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise WeightsError(
                f"after step {step} the network's '{name}' is not finite, so nothing was saved: "
                "lower learning_rate and go on from the files before"
            )


def seed_everything(seed: int) -> None:
    """Seed the random numbers of PyTorch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (what a task may draw from unknowingly)
    random.seed(seed)


def random_state() -> dict[str, Any]:
    """Return where the random numbers of PyTorch, numpy and Python are."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [kind, [int(key) for key in keys], *rest],
        "python": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put random numbers where `random_state` said they were."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    if state["numpy"]:
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    if state["python"]:
        random.setstate(state["python"])


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state of format 1 as one of format 2."""
    if "format" in state:
        if state["format"] != FORMAT:
            raise ValueError(f"format {state['format']}")
        return state
    randoms = {"torch": state["random"], "cuda": None, "numpy": None, "python": None}
    news = {"config": {}, "kind": "AdamW", "scaler": {}, "random": [randoms]}
    return {**state, "format": FORMAT, **news}
