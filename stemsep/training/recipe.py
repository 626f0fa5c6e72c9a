"""A TOML file -> everything that a training run needs to know."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from stemsep.data.augment import AugmentConfig
from stemsep.data.folder import read_folder
from stemsep.data.musdb import VALID_TRACKS, read_stem_files
from stemsep.data.remix import RemixConfig
from stemsep.errors import ParameterError, RecipeError
from stemsep.models import MaskNetworkConfig
from stemsep.training.config import TrainConfig
from stemsep.training.separation import SeparationTask
from stemsep.training.tables import parse_table
from stemsep.weights.checkpoint import Card

__all__ = ["Recipe", "SourceConfig", "build_task", "read_recipe"]


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One folder of songs to train on.

    Args:
        path: below the data folder; holds one folder of stems per song.
        weight: share of the excerpts that come from here, beside those of the other sources.
        exclude: names of songs to leave out.
        reliable: song -> stems that can be trusted, where not all can.

    Raises:
        ParameterError: a weight of 0 or less.
    """

    path: str
    weight: float = 1.0
    exclude: Sequence[str] = ()
    reliable: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ParameterError(f"weight = {self.weight}: it must be above 0")


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
        remix: what excerpts are made of.
        augment: how their stems are varied.
        card: licence and training data.
        frames: STFT frames of an excerpt.

    Raises:
        ParameterError: too few frames.
    """

    network: MaskNetworkConfig
    sources: tuple[SourceConfig, ...]
    valid: ValidConfig
    train: TrainConfig
    remix: RemixConfig
    augment: AugmentConfig
    card: Card
    frames: int = 96

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ParameterError(f"frames = {self.frames}: it must be 2 or more")


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a TOML file.

    Raises:
        RecipeError: no such file, no TOML, an unknown key (the nearest valid one is named), a
            missing key, or a value of another type or range; the message names file and key.
    """
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
    except OSError as error:
        raise RecipeError(f"cannot read the recipe '{path}': {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"'{path}' is not TOML: {error}") from error
    try:
        return _resolved(parse_table(Recipe, given, ""))
    except RecipeError as error:
        raise RecipeError(f"'{path}': {error}") from error


def build_task(recipe: Recipe, data: Path) -> SeparationTask:
    """Return the task of a recipe, its data decoded into memory.

    Args:
        recipe: what to train.
        data: the folder that the recipe's paths are below.

    Raises:
        DatasetError: a folder of the recipe is missing or holds nothing to learn from.
    """
    stems = recipe.network.stems
    sources = [
        (read_folder(data / s.path, stems=stems, exclude=s.exclude, reliable=s.reliable), s.weight)
        for s in recipe.sources
    ]
    return SeparationTask(
        recipe.network,
        sources=sources,
        valid=read_stem_files(data / recipe.valid.path, names=VALID_TRACKS),
        remix=recipe.remix,
        augment=recipe.augment,
        frames=recipe.frames,
        seed=recipe.train.seed,
        card=recipe.card,
    )


def _resolved(recipe: Recipe) -> Recipe:
    """Return the recipe with itself, apart from the card, written into its card."""
    told = {key: value for key, value in asdict(recipe).items() if key != "card"}
    return replace(recipe, card=replace(recipe.card, recipe=told))
