"""Scores of masks -> tables and the HTML report in the output folder."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from stemsep import __version__
from stemsep.data.image_masks import classes_of, mask_image
from stemsep.data.images import read_mask
from stemsep.evaluation.image_scores import (
    ImageEvaluation,
    compare_images,
    find_masks,
    picture_dice,
)
from stemsep.evaluation.report import best_of
from stemsep.evaluation.summary import MEAN, Difference
from stemsep.evaluation.tables import (
    differences_table,
    failure_list,
    markdown_table,
    number,
    without_nan,
    write_summary,
    write_text,
)
from stemsep.evaluation.web_page import render
from stemsep.plotting.scores import SYSTEM_COLOURS
from stemsep.segmentation.metrics import MaskScores

__all__ = ["as_text", "publish_images"]

SHOWN = 3
"""Pictures that are shown of the worst, and of the best."""

HEADINGS = ("class", "Dice", "IoU", "Dice, all pixels", "IoU, all pixels", "Dice of all one class")


def publish_images(
    evaluation: ImageEvaluation,
    references: Path,
    estimates: Mapping[str, Path],
    output: Path,
) -> dict[str, Any]:
    """Write ``summary.json``, ``.csv`` and ``.md`` and ``report.html``; return the first.

    Args:
        evaluation: the scores.
        references: folder of the true masks.
        estimates: label -> folder of masks.
        output: folder, made if missing.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    output.mkdir(parents=True, exist_ok=True)
    title = f"{references.resolve().name}: {len(find_masks(references))} masks"
    labels = list(evaluation.scores)
    differences = [
        difference
        for first, second in combinations(labels, 2)
        for difference in compare_images(evaluation, first, second)
    ]
    document: dict[str, Any] = without_nan(_document(evaluation, differences, title))
    rows = {label: _rows(evaluation, scores) for label, scores in evaluation.scores.items()}
    write_summary(
        output,
        document,
        [
            {"system": label, **dict(zip(HEADINGS, row, strict=True))}
            for label, of in rows.items()
            for row in of
        ],
        _markdown(evaluation, rows, differences, title),
    )
    html = render(
        "images.html.jinja",
        title=title,
        failures=evaluation.failures,
        colours={label: SYSTEM_COLOURS[i % len(SYSTEM_COLOURS)] for i, label in enumerate(labels)},
        background=evaluation.classes[_background(evaluation)],
        dice=_overview(rows, 1),
        iou=_overview(rows, 2),
        best=best_of,
        differences=differences,
        pictures=_pictures(evaluation, references, estimates),
        headings=HEADINGS,
        tables={label: [_cells(row) for row in of] for label, of in rows.items()},
    )
    write_text(output / "report.html", html)
    return document


def as_text(evaluation: ImageEvaluation) -> str:
    """Return Dice of all systems and classes, for a terminal."""
    lines = ["Dice (mean over pictures; the mean is over all classes but the background):"]
    width = max([len(label) for label in evaluation.scores], default=0)
    for label, scores in evaluation.scores.items():
        values = [f"{row[0]} {number(row[1], 4)}" for row in _rows(evaluation, scores)]
        lines.append(f"  {label:{width}}  {'  '.join(values)}")
    return "\n".join(lines)


def _background(evaluation: ImageEvaluation) -> int:
    return next((scores.background for scores in evaluation.scores.values()), 0)


def _rows(evaluation: ImageEvaluation, scores: MaskScores) -> list[tuple[Any, ...]]:
    """Return the rows under `HEADINGS`: a class each, and the mean."""
    columns = (
        scores.dice,
        scores.iou,
        scores.dice_pooled,
        scores.iou_pooled,
        scores.constant_dice,
    )
    rows: list[tuple[Any, ...]] = list(zip(evaluation.classes, *columns, strict=True))
    objects = [np.delete(np.array(column), scores.background) for column in columns]
    means = [float(o[~np.isnan(o)].mean()) if (~np.isnan(o)).any() else math.nan for o in objects]
    return [*rows, (MEAN, *means)]


def _cells(row: Sequence[Any]) -> list[str]:
    return [row[0], *[number(value, 4) for value in row[1:]]]


def _overview(rows: Mapping[str, Sequence[Sequence[Any]]], column: int) -> dict[str, Any]:
    names = [row[0] for row in next(iter(rows.values()), ())]
    by_name = {
        name: {label: float(of[i][column]) for label, of in rows.items()}
        for i, name in enumerate(names)
    }
    return {"rows": by_name, "top": 1.0, "low": 0.0, "digits": 4}


def _document(
    evaluation: ImageEvaluation, differences: Sequence[Difference], title: str
) -> dict[str, Any]:
    return {
        "title": title,
        "stemsep_version": __version__,
        "aggregation": "mean over the pictures where a class is in the truth or the estimate",
        "mask_values": [list(v) if isinstance(v, tuple) else v for v in evaluation.values],
        "systems": [
            {"system": label, **asdict(scores), "score": scores.score}
            for label, scores in evaluation.scores.items()
        ],
        "differences": [asdict(difference) for difference in differences],
        "pictures": [
            {
                "picture": name,
                "system": label,
                "confusion": evaluation.counts[label][name].tolist(),
                "dice": by_class,
            }
            for label in evaluation.counts
            for name, by_class in picture_dice(evaluation, label).items()
        ],
        "failures": list(evaluation.failures),
    }


def _markdown(
    evaluation: ImageEvaluation,
    rows: Mapping[str, Sequence[Sequence[Any]]],
    differences: Sequence[Difference],
    title: str,
) -> str:
    parts = [
        f"# {title}",
        "Dice and IoU: the mean over the pictures where a class is in the truth or the estimate; "
        "of all pixels: counted together over all pictures. The mean is over all classes but the "
        f"background, {evaluation.classes[_background(evaluation)]}.",
    ]
    for label, of in rows.items():
        scores = evaluation.scores[label]
        parts.append(f"## {label} ({scores.pictures} pictures)")
        parts.append(markdown_table(HEADINGS, [_cells(row) for row in of]))
        parts.append(f"Pixel error: {scores.pixel_error:.4f}")
    if differences:
        parts.append("## Differences\n\n" + differences_table(differences))
    if evaluation.failures:
        parts.append("## Not scored\n\n" + failure_list(evaluation.failures))
    return "\n\n".join(parts) + "\n"


def _pictures(
    evaluation: ImageEvaluation, references: Path, estimates: Mapping[str, Path]
) -> list[dict[str, Any]]:
    """Return the worst and the best pictures of the first system, with the masks as PNG."""
    first = next(iter(evaluation.counts), None)
    if first is None:
        return []
    means = {
        label: {name: of[MEAN] for name, of in picture_dice(evaluation, label).items()}
        for label in evaluation.counts
    }
    ranked = sorted(
        (name for name, value in means[first].items() if not math.isnan(value)),
        key=means[first].__getitem__,
    )
    files = {label: find_masks(estimates[label]) for label in means}
    truth = find_masks(references)
    return [
        {
            "name": name,
            "masks": [
                ("truth", _png(truth[name], evaluation), math.nan),
                *[
                    (label, _png(files[label][name], evaluation), of[name])
                    for label, of in means.items()
                    if name in of
                ],
            ],
        }
        for name in dict.fromkeys([*ranked[:SHOWN], *ranked[-SHOWN:]])
    ]


def _png(path: Path, evaluation: ImageEvaluation) -> bytes:
    mask = read_mask(path)
    file = io.BytesIO()
    classes = classes_of(mask, evaluation.values)
    mask_image(classes, evaluation.values, mask.palette).save(file, "PNG")
    return file.getvalue()
