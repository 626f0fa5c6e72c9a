"""The folder of a training on pictures: what it was started with, and the pictures at its end."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stemsep import __version__
from stemsep.audio.atomic import partial_file
from stemsep.data.image_pairs import ImageSet
from stemsep.errors import ParameterError
from stemsep.plotting.preview import save_preview
from stemsep.segmentation.predict import shares, warnings_about
from stemsep.training.image_recipe import ImageRecipe
from stemsep.training.segmentation import SegmentationTask
from stemsep.weights.checkpoint import load_image_network

__all__ = ["finish_run", "open_run"]

NOTES = "run.json"
STATE = "last.state"
RESULTS = ("best.safetensors", "last.safetensors", STATE, "log.json", "curve.png", "preview.png")


def open_run(
    output: Path,
    recipe: ImageRecipe,
    train: ImageSet,
    valid: ImageSet,
    *,
    command: str,
    resume: bool,
    overwrite: bool,
) -> None:
    """Make the folder of a run, and note in ``run.json`` all that is needed to repeat it.

    Args:
        output: the folder.
        recipe: the settings, resolved.
        train: pairs to learn from.
        valid: pairs to score on.
        command: what was typed.
        resume: go on with the run that is there, if one is.
        overwrite: remove the run that is there.

    Raises:
        ParameterError: a run is there, and neither is wanted; or it has other settings.
    """
    notes = {
        "command": command,
        "versions": {
            "stemsep": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "recipe": asdict(recipe),
        "train": [pair.name for pair in train.pairs],
        "valid": [pair.name for pair in valid.pairs],
    }
    notes = json.loads(json.dumps(notes))
    there = [output / name for name in RESULTS if (output / name).exists()]
    if resume and (output / NOTES).exists():
        _compare(output / NOTES, notes)
    elif there and not (resume or overwrite):
        raise ParameterError(
            f"'{output}' holds a run: --resume goes on with it, --overwrite replaces it"
        )
    if overwrite and not resume:
        for path in there:
            path.unlink()
    output.mkdir(parents=True, exist_ok=True)
    with partial_file(output / NOTES) as temporary:
        temporary.write_text(json.dumps(notes, indent=1))


def finish_run(task: SegmentationTask, output: Path) -> Iterator[str]:
    """Draw ``preview.png`` with the best network, and yield what to tell about it."""
    network, config = load_image_network(output / "best.safetensors")
    examples = task.examples(network)
    save_preview(output / "preview.png", examples)
    found = task.mask_scores(network)
    for value, dice, iou in zip(config.mask_values, found.dice, found.iou, strict=True):
        yield f"mask value {value}: Dice {dice:.4f}, IoU {iou:.4f}"
    yield (
        f"{found.pictures} validation pictures: Dice {found.score:.4f} without the commonest class "
        f"(the best constant prediction has {found.constant_score:.4f}), "
        f"pixel error {found.pixel_error:.4f} ({found.constant_pixel_error:.4f})"
    )
    together = np.concatenate([example.estimate.ravel() for example in examples])
    part = shares(together, config.classes)
    told = ", ".join(
        f"{value} {100 * share:.1f} %"
        for value, share in zip(config.mask_values, part, strict=True)
    )
    yield f"share of each mask value in the predictions: {told}"
    if max(part) == 1:
        yield f"Warning: {warnings_about(part, config.mask_values)}"
    yield f"done: {output / 'best.safetensors'}, preview.png"


def _compare(path: Path, notes: dict[str, Any]) -> None:
    """Make sure that a run goes on with the settings and pairs that it began with."""
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        return  # cut off while it was written: nothing had been trained yet
    old, new = _flat(before.get("recipe", {})), _flat(notes["recipe"])
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise ParameterError(
                f"the run in '{path.parent}' has {key} = {old.get(key)}, not {new.get(key)}: "
                "resume it with its own settings, or give another output folder"
            )
    for key in ("train", "valid"):
        if before.get(key) != notes[key]:
            raise ParameterError(f"the run in '{path.parent}' has other pairs: '{key}' differs")


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Return a nested table with dotted keys."""
    result: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{above}{key}.")
        else:
            result[f"{above}{key}"] = value
    return result
