"""Masks against true masks: Dice, IoU and pixel error, all from whole numbers of pixels.

Everything is computed from the confusion matrix of each picture, so no score depends on rounding,
smoothing constants or the size of a batch. Beside a score stands what the best constant prediction
gets: a network that learned nothing can look good on a common class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import ParameterError

__all__ = ["MaskScores", "confusion", "dice", "iou", "mask_scores", "pixel_error"]

Counts = NDArray[np.int64]


def confusion(
    *, estimate: NDArray[np.integer[Any]], reference: NDArray[np.integer[Any]], classes: int
) -> Counts:
    """Return how many pixels of each true class (rows) were taken for each class (columns).

    Args:
        estimate: class numbers, any shape.
        reference: the true ones, of the same shape.
        classes: how many there are.

    Raises:
        ParameterError: shapes differ, or a class number is out of range.

    Example:
        >>> confusion(estimate=np.array([0, 1, 1]), reference=np.array([0, 0, 1]), classes=2)
        array([[1, 1],
               [0, 1]])
    """
    if estimate.shape != reference.shape:
        raise ParameterError(f"masks of {estimate.shape} and {reference.shape} pixels differ")
    for name, mask in (("estimate", estimate), ("reference", reference)):
        if mask.size and not 0 <= int(mask.min()) <= int(mask.max()) < classes:
            raise ParameterError(
                f"class numbers of the {name} go from {mask.min()} to {mask.max()}, "
                f"but there are {classes} classes"
            )
    codes = reference.astype(np.int64).ravel() * classes + estimate.ravel()
    return np.bincount(codes, minlength=classes**2).reshape(classes, classes)


def dice(counts: Counts) -> NDArray[np.float64]:
    """Return the Dice coefficient of each class, 2 TP / (2 TP + FP + FN).

    NaN for a class that is neither in the picture nor in the estimate: there is nothing to judge.

    Args:
        counts: of `confusion`; sums over pictures are fine.

    Reference: L. R. Dice, "Measures of the amount of ecologic association between species",
    Ecology 26(3), 1945.
    """
    return _ratio(2 * np.diag(counts), counts.sum(0) + counts.sum(1))


def iou(counts: Counts) -> NDArray[np.float64]:
    """Return intersection over union of each class, TP / (TP + FP + FN); NaN as for `dice`.

    Reference: P. Jaccard, "Étude comparative de la distribution florale...", 1901.
    """
    hits = np.diag(counts)
    return _ratio(hits, counts.sum(0) + counts.sum(1) - hits)


def pixel_error(counts: Counts) -> float:
    """Return the share of pixels with a wrong class."""
    return float(1 - np.trace(counts) / max(1, counts.sum()))


@dataclass(frozen=True, kw_only=True)
class MaskScores:
    """Scores of a set of pictures; NaN where a class is nowhere.

    Args:
        dice: of each class, mean over the pictures where it can be judged.
        iou: likewise.
        dice_pooled: of each class, all pixels of all pictures counted together.
        iou_pooled: likewise.
        pixel_error: share of wrong pixels, mean over the pictures.
        constant_dice: ``dice`` of the prediction "all pixels are this class", by class.
        constant_pixel_error: of the best constant prediction.
        background: the class with the most pixels, which `score` leaves out.
        pictures: how many were scored.
    """

    dice: tuple[float, ...]
    iou: tuple[float, ...]
    dice_pooled: tuple[float, ...]
    iou_pooled: tuple[float, ...]
    pixel_error: float
    constant_dice: tuple[float, ...]
    constant_pixel_error: float
    background: int
    pictures: int

    @property
    def score(self) -> float:
        """Mean ``dice`` over all classes but the background."""
        return self._without_background(self.dice)

    @property
    def constant_score(self) -> float:
        """The best ``score`` that a constant prediction can have."""
        others = [d for c, d in enumerate(self.constant_dice) if c != self.background]
        return float(np.nanmax(np.array([*others, 0.0])) / max(1, len(others)))

    def _without_background(self, values: Sequence[float]) -> float:
        others = np.array([v for c, v in enumerate(values) if c != self.background])
        return 0.0 if np.isnan(others).all() else float(np.nanmean(others))


def mask_scores(counts: Sequence[Counts]) -> MaskScores:
    """Return the scores of a set of pictures.

    Args:
        counts: the `confusion` of each picture.

    Raises:
        ParameterError: no picture.
    """
    if not counts:
        raise ParameterError("no picture to score")
    pooled = np.sum(counts, axis=0)
    constant = [_constants(picture) for picture in counts]
    return MaskScores(
        dice=_mean([dice(picture) for picture in counts]),
        iou=_mean([iou(picture) for picture in counts]),
        dice_pooled=tuple(dice(pooled).tolist()),
        iou_pooled=tuple(iou(pooled).tolist()),
        pixel_error=float(np.mean([pixel_error(picture) for picture in counts])),
        constant_dice=_mean(constant),
        constant_pixel_error=float(
            min(np.mean([1 - c.sum(1) / max(1, c.sum()) for c in counts], axis=0))
        ),
        background=int(pooled.sum(1).argmax()),
        pictures=len(counts),
    )


def _constants(counts: Counts) -> NDArray[np.float64]:
    """Return for each class the Dice it gets where it is predicted everywhere."""
    truth = counts.sum(1)
    return _ratio(2 * truth, truth + truth.sum())


def _ratio(part: Counts, whole: Counts) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: Sequence[NDArray[np.float64]]) -> tuple[float, ...]:
    """Return the mean by class over the pictures that have a value."""
    stacked = np.stack(values)  # (pictures, classes)
    judged = (~np.isnan(stacked)).sum(0)
    means = np.divide(
        np.nansum(stacked, axis=0), judged, out=np.full(len(judged), np.nan), where=judged > 0
    )
    return tuple(means.tolist())
