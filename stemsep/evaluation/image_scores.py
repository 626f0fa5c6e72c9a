"""Folders of true and estimated masks -> Dice and IoU per class, from whole numbers of pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.data.image_masks import MaskValue, classes_of, values_of
from stemsep.data.images import Mask, read_mask
from stemsep.errors import DatasetError, StemsepError
from stemsep.evaluation.summary import MEAN, Difference, paired_difference
from stemsep.evaluation.tracks import PICTURE_SUFFIXES
from stemsep.segmentation.metrics import MaskScores, confusion, dice, mask_scores

__all__ = ["ImageEvaluation", "compare_images", "find_masks", "picture_dice", "score_images"]

MASK_ENDING = "_mask"


@dataclass(frozen=True, kw_only=True)
class ImageEvaluation:
    """Scores of several folders of masks.

    Args:
        values: the values of the true masks; a value's place is its class.
        counts: system -> picture -> its confusion counts, ``(true class, estimated class)``.
        scores: system -> scores over its pictures.
        failures: what could not be scored: picture, system and the error in one line.
    """

    values: tuple[MaskValue, ...]
    counts: Mapping[str, Mapping[str, NDArray[np.int64]]]
    scores: Mapping[str, MaskScores]
    failures: Sequence[Mapping[str, str]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: their values."""
        return tuple(f"class {value}" for value in self.values)


def find_masks(folder: Path) -> dict[str, Path]:
    """Return name -> file of the pictures in a folder; ``NAME_mask.png`` is called ``NAME``.

    Raises:
        DatasetError: two files for one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        name = path.stem.removesuffix(MASK_ENDING)
        if name in found:
            raise DatasetError(f"two masks for '{name}': {found[name].name} and {path.name}")
        found[name] = path
    return found


def score_images(references: Path, estimates: Mapping[str, Path]) -> ImageEvaluation:
    """Return the scores of estimated masks; a picture that cannot be scored is told and left out.

    Args:
        references: folder of the true masks.
        estimates: label -> folder of masks with the same names and values.

    Raises:
        DatasetError: no true mask can be read.
    """
    truth, unread = _read_truth(references)
    counts: dict[str, dict[str, NDArray[np.int64]]] = {}
    failures: list[dict[str, str]] = []
    values = tuple(sorted({value for mask in truth.values() for value in values_of(mask)}))
    for label, folder in estimates.items():
        files = find_masks(folder)
        failures += [{"track": n, "system": label, "error": e} for n, e in unread.items()]
        for name, mask in truth.items():
            try:
                if name not in files:
                    raise DatasetError(f"no mask of '{name}' in '{folder}'")
                estimate = classes_of(read_mask(files[name]), values)
                reference = classes_of(mask, values)
                found = confusion(estimate=estimate, reference=reference, classes=len(values))
                counts.setdefault(label, {})[name] = found
            except StemsepError as error:
                text = " ".join(str(error).split())
                failures.append({"track": name, "system": label, "error": text})
    return ImageEvaluation(
        values=values,
        counts=counts,
        scores={label: mask_scores(list(of.values())) for label, of in counts.items()},
        failures=failures,
    )


def compare_images(evaluation: ImageEvaluation, first: str, second: str) -> list[Difference]:
    """Return a paired test per class of the Dice of two systems, picture by picture."""
    before, after = (picture_dice(evaluation, label) for label in (first, second))
    both = [name for name in before if name in after]
    return [
        paired_difference(
            np.array([before[name][kind] for name in both]),
            np.array([after[name][kind] for name in both]),
            systems=(first, second),
            stem=kind,
            measure="Dice",
        )
        for kind in (*evaluation.classes, MEAN)
    ]


def picture_dice(evaluation: ImageEvaluation, label: str) -> dict[str, dict[str, float]]:
    """Return picture -> class -> Dice of one system; the last is the mean over the objects.

    NaN for a class that is neither in the truth nor in the estimate. Objects are all classes but
    the background.
    """
    background = evaluation.scores[label].background
    found = {}
    for name, counts in evaluation.counts[label].items():
        values = dice(counts)
        objects = np.delete(values, background)
        mean = float(np.nanmean(objects)) if np.isfinite(objects).any() else math.nan
        found[name] = {**dict(zip(evaluation.classes, values.tolist(), strict=True)), MEAN: mean}
    return found


def _read_truth(folder: Path) -> tuple[dict[str, Mask], dict[str, str]]:
    """Return the masks that can be read, and what is wrong with the others."""
    masks: dict[str, Mask] = {}
    problems: dict[str, str] = {}
    for name, path in find_masks(folder).items():
        try:
            masks[name] = read_mask(path)
        except StemsepError as error:
            problems[name] = " ".join(str(error).split())
    if not masks:
        raise DatasetError(f"no mask in '{folder}' can be read")
    return masks, problems
