"""Settings of a training on pictures -> its data, its task, its loop."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stemsep.data.image_augment import parse_augment
from stemsep.data.image_masks import MaskValue
from stemsep.data.image_pairs import ImageSet, read_image_set
from stemsep.errors import DatasetError, ParameterError, RecipeError
from stemsep.models import PRESETS, ImageNetworkConfig, UNetConfig
from stemsep.segmentation.predict import load_segmentation
from stemsep.training.config import TrainConfig
from stemsep.training.image_losses import Loss
from stemsep.training.segmentation import SegmentationTask
from stemsep.training.tables import parse_table
from stemsep.weights.checkpoint import Card

__all__ = ["HELDOUT", "ImageRecipe", "build_image_task", "image_recipe", "read_sets"]

Preset = Literal["tiny", "small", "milesial", "milesial-bilinear", "ronneberger"]

HELDOUT = "heldout"
"""Folder of pairs to score on, beside ``imgs`` and ``masks``."""

SHARE = 10.0
"""Percent of the pairs that are scored on where there is no such folder."""

SWITCHES = [f.name for f in fields(UNetConfig) if f.name not in ("in_channels", "out_channels")]

WARMUP, VALIDATE_EVERY = 20, 50

LOOP: Mapping[str, Any] = {
    "steps": 300,
    "batch_size": 4,
    "learning_rate": 4e-3,
    "warmup_steps": WARMUP,
    "ema": 0.97,
    "validate_every": VALIDATE_EVERY,
    "save_minutes": 1.0,
}
"""Where the loop's settings for pictures are not those for sound."""


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """A training on pictures, all but the data.

    Args:
        preset: the network; its channels and classes come from the data.
        switches: of the network, where it shall not be the preset's.
        classes: 0: one output per value of the masks; 1: a single output for two values.
        mask_values: grey values that noisy masks are cleaned to; empty: all values are classes.
        scale: pictures are resized by this.
        normalise: see `stemsep.models.ImageNetworkConfig`.
        crop: height and width of what is cut out of a picture for a step.
        validation: percent of the pairs to score on; 0: the folder ``heldout`` if there is one,
            else 10.
        loss: see `stemsep.training.image_losses.segmentation_loss`.
        pos_weight: how many times a pixel counts that is not of the first class.
        border_weight: w_0 of the weight map for touching borders, 10 in the paper; 0: no map.
        augment: see `stemsep.data.image_augment.parse_augment`.
        epochs: how often each picture is seen, instead of a number of steps; 0: by steps.
        train: the loop.

    Raises:
        ParameterError: a value out of range, or two that exclude each other.
    """

    preset: Preset = "tiny"
    switches: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 0
    mask_values: tuple[int, ...] = ()
    scale: float = 1.0
    normalise: Literal["picture", "none"] = "picture"
    crop: int = 256
    validation: float = 0.0
    loss: Loss = "ce+dice"
    pos_weight: float = 1.0
    border_weight: float = 0.0
    augment: str = "flips,turns"
    epochs: int = 0
    train: TrainConfig = field(default_factory=lambda: TrainConfig(**LOOP))

    def __post_init__(self) -> None:
        parse_augment(self.augment)
        if unknown := sorted(self.switches.keys() - set(SWITCHES)):
            raise ParameterError(f"no switch '{unknown[0]}': choose from {', '.join(SWITCHES)}")
        if self.crop < 1:
            raise ParameterError(f"crop = {self.crop}: it must be 1 or more")
        if not 0 < self.scale <= 1:
            raise ParameterError(f"scale = {self.scale}: it must be above 0 and at most 1")
        if not 0 <= self.validation < 100:
            raise ParameterError(f"validation = {self.validation}: it must be 0 to below 100")
        if not self.pos_weight > 0 or not self.border_weight >= 0:
            raise ParameterError("pos_weight must be above 0, border_weight 0 or more")
        if self.loss == "dice" and (self.pos_weight != 1 or self.border_weight):
            raise ParameterError("loss 'dice' knows no pos_weight or border_weight: use ce+dice")
        if self.classes < 0 or self.epochs < 0:
            raise ParameterError("classes and epochs must be 0 or more")


def image_recipe(path: Path | None, changes: Mapping[str, Any]) -> ImageRecipe:
    """Return the recipe of a TOML file with some keys changed.

    Args:
        path: the file; None: all defaults.
        changes: keys and values, nested as in the file.

    Raises:
        RecipeError: no such file, no TOML, an unknown key or a value that does not fit.
    """
    stored: dict[str, Any] = {}
    if path is not None:
        try:
            stored = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"cannot read the recipe '{path}': {error.strerror}") from error
        except ValueError as error:
            raise RecipeError(f"'{path}' is not TOML: {error}") from error
    given = {**stored, **changes}
    for table, defaults in (("train", LOOP), ("switches", {})):
        part = stored.get(table, {})
        if isinstance(part, dict):
            part = {**defaults, **part, **changes.get(table, {})}
        given[table] = part
    return parse_table(ImageRecipe, given, "")


def read_sets(
    data: Path,
    recipe: ImageRecipe,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[ImageSet, ImageSet]:
    """Return the pairs to learn from and those to score on; all are checked.

    A single pair is both: it can be learned by heart, which shows that the network works.

    Args:
        data: holds ``imgs`` and ``masks``, perhaps ``heldout`` with the same inside.
        recipe: says how many pairs to score on.
        progress: called with the pairs read and their number.

    Raises:
        DatasetError: a line for each thing that does not fit.
    """
    values: tuple[MaskValue, ...] = recipe.mask_values
    whole = read_image_set(data, mask_values=values, progress=progress)
    if recipe.validation == 0 and (data / HELDOUT).is_dir():
        return whole, read_image_set(data / HELDOUT, mask_values=values, like=whole)
    count = len(whole.pairs)
    wanted = round(count * (recipe.validation or SHARE) / 100)
    held = min(max(1, wanted), count - 1)
    if held == 0:
        return whole, whole
    order = np.random.default_rng(recipe.train.seed).permutation(count)
    return _chosen(whole, order[held:]), _chosen(whole, order[:held])


def build_image_task(
    recipe: ImageRecipe,
    train: ImageSet,
    valid: ImageSet,
    *,
    load: Path | None = None,
    scale: float | None = None,
) -> tuple[SegmentationTask, ImageRecipe]:
    """Return what the engine trains, and the recipe with its steps counted.

    Args:
        recipe: the settings.
        train: pairs to learn from.
        valid: pairs to score on.
        load: a checkpoint, ours or milesial/Pytorch-UNet's, whose network is trained on.
        scale: instead of that of the loaded network.

    Raises:
        DatasetError: the masks do not have the classes of the recipe or of the loaded network.
        ParameterError: settings that do not fit together.
        WeightsError: a file that holds no image network.
    """
    network, config = None, None
    if load is None:
        config = _new_config(recipe, train)
    else:
        network, stored = load_segmentation(load, scale=scale)
        config = _loaded_config(load, stored, train)
    loop = _loop(recipe, len(train.pairs))
    recipe = replace(recipe, train=loop)
    task = SegmentationTask(
        config,
        network=network,
        train=train,
        valid=valid,
        crop=recipe.crop,
        batch_size=loop.batch_size,
        loss=recipe.loss,
        pos_weight=recipe.pos_weight,
        border_weight=recipe.border_weight,
        augment=parse_augment(recipe.augment),
        seed=loop.seed,
        card=Card(
            training_data=f"{len(train.pairs)} pictures of the user's",
            description=f"pictures, {config.classes} classes",
            recipe=asdict(recipe),
        ),
    )
    return task, recipe


def _loop(recipe: ImageRecipe, pairs: int) -> TrainConfig:
    """Return the loop with epochs counted in steps, and a short one at a pace that suits it."""
    loop = recipe.train
    steps = loop.steps
    if recipe.epochs:
        steps = math.ceil(recipe.epochs * pairs / loop.batch_size)
    return replace(
        loop,
        steps=steps,
        warmup_steps=min(loop.warmup_steps, steps // 5),
        validate_every=min(loop.validate_every, max(1, steps // 5)),
    )


def _new_config(recipe: ImageRecipe, train: ImageSet) -> ImageNetworkConfig:
    values = train.mask_values
    if recipe.classes not in (0, len(values)) and (recipe.classes, len(values)) != (1, 2):
        raise DatasetError(
            f"classes = {recipe.classes}, but the masks have {len(values)} values: "
            f"{', '.join(map(str, values))}"
        )
    single = recipe.classes == 1 or (
        recipe.classes == 0 and len(values) == 2 and recipe.loss.startswith("bce")
    )
    preset = PRESETS[recipe.preset]
    assert isinstance(preset, UNetConfig), "the choices are image networks"  # noqa: S101
    try:
        unet = replace(
            preset,
            in_channels=train.channels,
            out_channels=1 if single else len(values),
            **recipe.switches,
        )
    except TypeError as error:
        raise ParameterError(f"switches: {error}") from error
    return ImageNetworkConfig(
        unet=unet,
        mask_values=values,
        palette=train.palette,
        scale=recipe.scale,
        normalise=recipe.normalise,
    )


def _loaded_config(load: Path, stored: ImageNetworkConfig, train: ImageSet) -> ImageNetworkConfig:
    """Return the configuration of a loaded network with the mask values of new data."""
    if stored.classes != len(train.mask_values):
        raise DatasetError(
            f"'{load}' knows {stored.classes} classes, but the masks have "
            f"{len(train.mask_values)} values: {', '.join(map(str, train.mask_values))}"
        )
    return replace(stored, mask_values=train.mask_values, palette=train.palette)


def _chosen(whole: ImageSet, indices: Any) -> ImageSet:
    """Return some of the pairs, by name; shares stay those of all."""
    chosen = sorted(int(index) for index in indices)
    return replace(
        whole,
        pairs=tuple(whole.pairs[index] for index in chosen),
        sizes=tuple(whole.sizes[index] for index in chosen),
    )
