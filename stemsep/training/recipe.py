"""A TOML file -> everything that a training run needs to know."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from stemsep.data.folder import read_folder
from stemsep.data.musdb import VALID_TRACKS, read_stem_files
from stemsep.data.remix import RemixConfig
from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError, RecipeError
from stemsep.models import MaskNetworkConfig, UNetConfig
from stemsep.training.config import TrainConfig
from stemsep.training.separation import SeparationTask
from stemsep.weights.checkpoint import Card

__all__ = ["Recipe", "SourceConfig", "build_task", "read_recipe"]

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One folder of songs to train on.

    Args:
        path: below the data folder; holds one folder of stems per song.
        weight: share of the excerpts that come from here.
        exclude: names of songs to leave out.
        reliable: song -> stems that can be trusted, where not all can.
    """

    path: str
    weight: float = 1.0
    exclude: Sequence[str] = ()
    reliable: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ValidConfig:
    """The tracks that decide which weights are the best.

    Args:
        path: below the data folder; holds the ``.stem.mp4`` files of MUSDB18's validation tracks.
    """

    path: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run: network, data, loop, and what the checkpoint says about itself.

    Args:
        network: sizes of the network.
        sources: what to train on.
        valid: what to score on.
        train: the loop.
        remix: how excerpts are drawn and varied.
        card: licence and training data.
        frames: STFT frames of an excerpt.
    """

    network: MaskNetworkConfig
    sources: tuple[SourceConfig, ...]
    valid: ValidConfig
    train: TrainConfig
    remix: RemixConfig
    card: Card
    frames: int = 96


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a TOML file.

    Raises:
        RecipeError: no such file, no TOML, an unknown key (the nearest valid one is named), or a
            value that cannot be; the message names file and key.
    """
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
    except OSError as error:
        raise RecipeError(f"cannot read the recipe '{path}': {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"'{path}' is not TOML: {error}") from error
    try:
        return _recipe(given)
    except (TypeError, ParameterError) as error:
        raise RecipeError(f"'{path}': {error}") from error


def build_task(recipe: Recipe, data: Path) -> SeparationTask:
    """Return the task of a recipe, its data decoded into memory.

    Args:
        recipe: what to train.
        data: the folder that the recipe's paths are below.

    Raises:
        DatasetError: a folder of the recipe is missing or holds nothing to learn from.
    """
    sources = [
        (read_folder(data / s.path, exclude=s.exclude, reliable=s.reliable), s.weight)
        for s in recipe.sources
    ]
    return SeparationTask(
        recipe.network,
        sources=sources,
        valid=read_stem_files(data / recipe.valid.path, names=VALID_TRACKS),
        remix=recipe.remix,
        frames=recipe.frames,
        seed=recipe.train.seed,
        card=recipe.card,
    )


def _recipe(given: dict[str, Any]) -> Recipe:
    _check_keys(Recipe, given, "")
    network = dict(given.get("network", {}))
    network["stft"] = _parse(STFTConfig, network.get("stft", {}), "network.stft")
    network["unet"] = _parse(UNetConfig, network.get("unet", {}), "network.unet")
    sources = given.get("sources", [])
    parts: dict[str, Any] = {
        "network": _parse(MaskNetworkConfig, network, "network"),
        "sources": tuple(_parse(SourceConfig, s, "sources") for s in sources),
        "valid": _parse(ValidConfig, given.get("valid", {}), "valid"),
        "train": _parse(TrainConfig, given.get("train", {}), "train"),
        "remix": _parse(RemixConfig, given.get("remix", {}), "remix"),
        "card": _parse(Card, given.get("card", {}), "card"),
    }
    recipe = Recipe(**{**given, **parts})
    resolved = {k: v for k, v in asdict(recipe).items() if k != "card"}
    card = Card(**{**given.get("card", {}), "recipe": resolved})
    return Recipe(**{**given, **parts, "card": card})


def _parse(config: type[Config], given: dict[str, Any], where: str) -> Config:
    _check_keys(config, given, f"{where}.")
    return config(**given)


def _check_keys(config: type, given: dict[str, Any], where: str) -> None:
    known = [f.name for f in fields(config)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1) or [", ".join(known)]
            raise RecipeError(f"unknown key '{where}{key}'; did you mean {near[0]}?")
