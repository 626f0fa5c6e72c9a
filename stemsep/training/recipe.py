"""A TOML file -> everything that a training run needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from platformdirs import user_cache_dir

from stemsep.data.augment import AugmentConfig
from stemsep.data.decoded import Decoder
from stemsep.data.remix import RemixConfig
from stemsep.data.sources import SourceConfig, read_source
from stemsep.data.track import STEMS
from stemsep.errors import ParameterError, RecipeError
from stemsep.models import (
    PRESETS,
    MaskNetworkConfig,
    SeparationConfig,
    SeparationNetwork,
    SpleeterConfig,
    build_separation_network,
)
from stemsep.training.config import TrainConfig
from stemsep.training.distillation import DistillationTask
from stemsep.training.losses import LossConfig
from stemsep.training.presence import PresenceConfig
from stemsep.training.recipe_file import named, read_table
from stemsep.training.separation import SeparationTask
from stemsep.training.stem_groups import stem_groups
from stemsep.training.step_cost import StepCost, step_cost
from stemsep.training.tables import parse_table
from stemsep.training.teacher import Teacher, TeacherConfig
from stemsep.training.trainable import trainable
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import Card, load_network, read_card

__all__ = ["Recipe", "build_task", "read_recipe", "recipe_cost"]


SPLEETER_KEYS = {"encoder_activation", "decoder_activation", "head"}
"""What the table of Spleeter's network has, and that of a U-Net does not."""
PRESENCE = "unet.presence."
"""What the names of weights begin with that tell which stems are heard."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training run: network, data, loop, and what the checkpoint says about itself.

    Args:
        network: sizes of the network; in the file a table, the name of a preset, or nothing where
            ``init`` has it.
        sources: what to train on.
        valid: what to score on.
        train: the loop.
        remix: what excerpts are made of.
        augment: how their stems are varied.
        loss: how far estimates are from the truth.
        teacher: what to learn from besides the true stems.
        presence: of ``width`` above 0, the network of ``init`` learns which stems are heard, and
            nothing else.
        card: licence and training data.
        init: checkpoint to go on from, a name or a file; empty starts from random weights.
        cache: where decoded sound is kept: in memory, or in the user's cache folder for the next
            run, of which memory then holds what is being read.
        frames: STFT frames of an excerpt.

    Raises:
        ParameterError: too few frames; a source that is not for training.
    """

    network: SeparationConfig
    sources: tuple[SourceConfig, ...]
    valid: SourceConfig
    train: TrainConfig
    remix: RemixConfig
    augment: AugmentConfig
    loss: LossConfig
    teacher: TeacherConfig
    presence: PresenceConfig
    card: Card
    init: str = ""
    cache: Literal["memory", "disk"] = "memory"
    frames: int = 96

    def __post_init__(self) -> None:
        if self.presence.width and (not self.init or self.teacher.models):
            raise ParameterError(
                f"presence.width = {self.presence.width}: it goes with 'init', the network that "
                "makes the masks, and without a teacher"
            )
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
        given = {**given, "network": _network(given)}
        return _resolved(parse_table(Recipe, given, ""))


def build_task(recipe: Recipe, data: Path | None) -> SeparationTask | DistillationTask:
    """Return the task of a recipe, its data decoded.

    Args:
        recipe: what to train.
        data: the folder that the recipe's paths are below; None for one without paths.

    Raises:
        DatasetError: a folder of the recipe is missing or holds nothing to learn from.
        WeightsError: the checkpoint to start from, or a teacher, cannot be read.
        RecipeError: one of these does not fit.
    """
    config, stems = recipe.network, stem_groups(recipe.network.stems, STEMS)[0]
    folder = Path(user_cache_dir("stemsep")) / "decoded" if recipe.cache == "disk" else None
    decoder = Decoder(sample_rate=config.sample_rate, folder=folder)
    student = SeparationTask(
        config,
        sources=[
            (read_source(source, data, decoder=decoder, stems=stems), source.weight)
            for source in recipe.sources
        ],
        valid=read_source(recipe.valid, data, decoder=replace(decoder, exact=True), stems=stems),
        remix=recipe.remix,
        augment=recipe.augment,
        loss=recipe.loss,
        frames=recipe.frames,
        seed=recipe.train.seed,
        card=recipe.card,
        initial=_initial(recipe),
        presence=recipe.presence,
    )
    if not recipe.teacher.models:
        return student
    teacher = Teacher(
        [load_network(find_checkpoint(name)) for name in recipe.teacher.models],
        stems=config.stems,
        sample_rate=config.sample_rate,
        config=recipe.teacher,
    )
    return DistillationTask(student, teacher)


def _initial(recipe: Recipe) -> SeparationNetwork | None:
    """Return the network to go on from, with a new part where it is to learn what is heard."""
    if not recipe.init:
        return None
    before = load_network(find_checkpoint(recipe.init))
    if before.config == recipe.network:
        return before
    torch.manual_seed(recipe.train.seed)
    network = build_separation_network(recipe.network)
    kept = {
        name: value for name, value in before.state_dict().items() if not name.startswith(PRESENCE)
    }
    network.load_state_dict(kept, strict=False)
    return network


def _network(given: Mapping[str, Any]) -> SeparationConfig:
    """Return the network of a recipe: that of a table, of a preset, or of the first checkpoint."""
    network, init = given.get("network"), given.get("init")
    if isinstance(network, str):
        presets = [name for name, c in PRESETS.items() if isinstance(c, SeparationConfig)]
        if network not in presets:
            raise RecipeError(f"'network' = '{network}': choose from {', '.join(presets)}")
        config: Any = PRESETS[network]
    elif network is not None:
        spleeter = isinstance(network, dict) and SPLEETER_KEYS & network.keys()
        config = parse_table(SpleeterConfig if spleeter else MaskNetworkConfig, network, "network")
    elif init:
        return _before(given)
    else:
        raise RecipeError("missing key 'network': give a table, a preset's name, or 'init'")
    if init and _before(given) != config:
        raise RecipeError(f"'network' is not that of 'init' = '{init}': leave it out")
    return config  # type: ignore[no-any-return]


def _before(given: Mapping[str, Any]) -> SeparationConfig:
    """Return the network of ``init``, with a part that tells which stems are heard if wanted."""
    init = str(given["init"])
    config = read_card(find_checkpoint(init))[0]
    width = parse_table(PresenceConfig, given.get("presence", {}), "presence").width
    if not width:
        return config
    if not (isinstance(config, MaskNetworkConfig) and config.unet.freq_bins):
        raise RecipeError(
            f"presence.width = {width}: 'init' = '{init}' is no U-Net with freq_bins; go on from "
            "one, such as 'default'"
        )
    return replace(config, unet=replace(config.unet, presence=width))


def recipe_cost(recipe: Recipe) -> StepCost:
    """Return what a step of a recipe costs; no data is needed."""
    config = recipe.network
    shape = config.n_features, config.n_bins, recipe.frames
    learned = recipe.presence.width > 0
    return step_cost(
        lambda: trainable(build_separation_network(config), presence=learned), shape, recipe.train
    )


def _resolved(recipe: Recipe) -> Recipe:
    """Return the recipe with itself, apart from the card, written into its card."""
    told = {key: value for key, value in asdict(recipe).items() if key != "card"}
    card = replace(recipe.card, recipe=told)
    return replace(recipe, card=_continued(card, recipe.init) if recipe.init else card)


def _continued(card: Card, init: str) -> Card:
    """Return the card of a network that goes on from another: its data and terms stay true."""
    before = read_card(find_checkpoint(init))[1]
    terms, data = card.license, card.training_data
    # The recipe that a run keeps has them already.
    if before.license not in terms:
        stated = terms != "not stated"
        told = f"{terms}; of the network it goes on from: {before.license}"
        terms = told if stated else before.license
    if before.training_data not in data:
        data = f"{data}; before that: {before.training_data}"
    return replace(card, license=terms, training_data=data)
