"""A TOML file -> everything that a training run needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stemsep.data.augment import AugmentConfig
from stemsep.data.decoded import Decoder
from stemsep.data.remix import RemixConfig
from stemsep.data.sources import SourceConfig, read_source
from stemsep.data.track import STEMS
from stemsep.errors import ParameterError
from stemsep.models import MaskNetworkConfig, build_separation_network
from stemsep.training.config import TrainConfig
from stemsep.training.losses import LossConfig
from stemsep.training.recipe_file import named, read_table
from stemsep.training.separation import SeparationTask
from stemsep.training.stem_groups import stem_groups
from stemsep.training.step_cost import StepCost, step_cost
from stemsep.training.tables import parse_table
from stemsep.weights.checkpoint import Card

__all__ = ["Recipe", "build_task", "read_recipe", "recipe_cost"]


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
        loss: how far estimates are from the truth.
        card: licence and training data.
        frames: STFT frames of an excerpt.

    Raises:
        ParameterError: too few frames; a source that is not for training.
    """

    network: MaskNetworkConfig
    sources: tuple[SourceConfig, ...]
    valid: SourceConfig
    train: TrainConfig
    remix: RemixConfig
    augment: AugmentConfig
    loss: LossConfig
    card: Card
    frames: int = 96

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ParameterError(f"frames = {self.frames}: it must be 2 or more")
        for source in self.sources:
            if source.split != "train":
                raise ParameterError(
                    f"a source with split = '{source.split}': only 'train' is to be learned from"
                )


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Return the recipe in a TOML file.

    Args:
        path: of the file.
        settings: texts ``a.b=c`` that replace or add a value.

    Raises:
        RecipeError: no such file, no TOML, an unknown key (the nearest valid one is named), a
            missing key, or a value of another type or range; the message names file and key.
    """
    given = read_table(path, settings)
    with named(path, settings):
        return _resolved(parse_table(Recipe, given, ""))


def build_task(recipe: Recipe, data: Path) -> SeparationTask:
    """Return the task of a recipe, its data decoded into memory.

    Args:
        recipe: what to train.
        data: the folder that the recipe's paths are below.

    Raises:
        DatasetError: a folder of the recipe is missing or holds nothing to learn from.
    """
    stems, _ = stem_groups(recipe.network.stems, STEMS)
    decoder = Decoder(sample_rate=recipe.network.sample_rate)
    sources = [
        (read_source(source, data, decoder=decoder, stems=stems), source.weight)
        for source in recipe.sources
    ]
    return SeparationTask(
        recipe.network,
        sources=sources,
        valid=read_source(recipe.valid, data, decoder=replace(decoder, exact=True), stems=stems),
        remix=recipe.remix,
        augment=recipe.augment,
        loss=recipe.loss,
        frames=recipe.frames,
        seed=recipe.train.seed,
        card=recipe.card,
    )


def recipe_cost(recipe: Recipe) -> StepCost:
    """Return what a step of a recipe costs; no data is needed."""
    shape = recipe.network.unet.in_channels, recipe.network.n_bins, recipe.frames
    return step_cost(lambda: build_separation_network(recipe.network), shape, recipe.train)


def _resolved(recipe: Recipe) -> Recipe:
    """Return the recipe with itself, apart from the card, written into its card."""
    told = {key: value for key, value in asdict(recipe).items() if key != "card"}
    return replace(recipe, card=replace(recipe.card, recipe=told))
