"""Pictures of pictures: masks beside and over what they were found in, and contact sheets.

Drawn with Pillow, which the installation always has; no screen is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stemsep.audio.atomic import partial_file
from stemsep.data.images import as_floats, resized

__all__ = [
    "Example",
    "contact_sheet",
    "displayed",
    "overlaid",
    "preview",
    "save_side_by_side",
    "side_by_side",
]

CLASS_COLOURS = np.array(
    [(0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
     (213, 94, 0), (204, 121, 167)],
    dtype=np.uint8,
)  # fmt: skip
"""Colours that also the colour-blind can tell apart (Okabe and Ito 2008); the first is left out."""

STRENGTH = 0.45
"""Of the colour over a picture."""

GAP, HEADING, LARGEST = 4, 16, 320

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Example:
    """A row of a preview.

    Args:
        name: of the picture.
        picture: ``(channels, height, width)``, any depth.
        truth: class numbers ``(height, width)``.
        estimate: likewise.
        note: what to say about it, such as a score.
    """

    name: str
    picture: NDArray[Any]
    truth: NDArray[np.integer[Any]]
    estimate: NDArray[np.integer[Any]]
    note: str = ""


def displayed(picture: NDArray[Any]) -> Pixels:
    """Return a picture as ``(height, width, 3)``, its darkest and brightest percent cut off.

    Args:
        picture: ``(channels, height, width)``, any depth.
    """
    floats = as_floats(picture)
    if picture.dtype != np.uint8:  # few screens show what deeper pictures hold
        low, high = np.percentile(floats, (0.5, 99.5))
        floats = (floats - low) / max(float(high - low), 1e-6)
    pixels = (255 * floats.clip(0, 1)).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))


def overlaid(picture: NDArray[Any], classes: NDArray[np.integer[Any]]) -> Pixels:
    """Return a picture with the colour of each class over it; the first class is left clear."""
    pixels = displayed(picture).astype(np.float32)
    colours = _table(classes).astype(np.float32)
    strength = STRENGTH * (classes > 0)[:, :, None]
    return ((1 - strength) * pixels + strength * colours).round().astype(np.uint8)


def side_by_side(picture: NDArray[Any], classes: NDArray[np.integer[Any]]) -> Image.Image:
    """Return a picture, its mask and both together, side by side."""
    parts = [displayed(picture), _colours(classes), overlaid(picture, classes)]
    return _sheet([parts], headings=["picture", "mask", "overlay"], notes=[""])


def preview(examples: Sequence[Example]) -> Image.Image:
    """Return a row for each example: picture, true mask, prediction, and where they differ."""
    rows = [
        [
            displayed(example.picture),
            _colours(example.truth),
            _colours(example.estimate),
            _differences(example),
        ]
        for example in examples
    ]
    headings = ["picture", "true mask", "prediction", "wrong pixels in red"]
    return _sheet(rows, headings=headings, notes=[f"{e.name} {e.note}".strip() for e in examples])


def contact_sheet(
    pairs: Sequence[tuple[NDArray[Any], NDArray[np.integer[Any]]]], *, columns: int = 6
) -> Image.Image:
    """Return small pictures with their masks over them, in rows."""
    tiles = [overlaid(*_reduced(picture, classes, 128)) for picture, classes in pairs]
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return _sheet(rows, headings=[], notes=[""] * len(rows))


def _differences(example: Example) -> Pixels:
    pixels = displayed(example.picture) // 2 + 64
    pixels[example.truth != example.estimate] = (220, 30, 30)
    return pixels


def _colours(classes: NDArray[np.integer[Any]]) -> Pixels:
    """Return white for the second of two classes, else a colour for each."""
    if classes.max(initial=0) < 2:
        return np.repeat((classes > 0).astype(np.uint8)[:, :, None] * 255, 3, axis=2)
    return _table(classes)


def _table(classes: NDArray[np.integer[Any]]) -> Pixels:
    """Return a colour for each class, black for the first."""
    cycled = (classes - 1) % (len(CLASS_COLOURS) - 1) + 1
    return np.asarray(CLASS_COLOURS[cycled] * (classes > 0)[:, :, None], dtype=np.uint8)


def _reduced(
    picture: NDArray[Any], classes: NDArray[np.integer[Any]], largest: int
) -> tuple[NDArray[Any], NDArray[np.integer[Any]]]:
    """Return a pair with at most so many pixels along each axis."""
    height, width = picture.shape[1:]
    factor = min(1.0, largest / max(height, width))
    size = max(1, round(factor * height)), max(1, round(factor * width))
    return resized(picture, *size, smooth=True), resized(classes, *size, smooth=False)


def _sheet(
    rows: Sequence[Sequence[Pixels]], *, headings: Sequence[str], notes: Sequence[str]
) -> Image.Image:
    """Return a white sheet with rows of pictures, headings above and notes below them."""
    small = [[_fitted(pixels) for pixels in row] for row in rows]
    columns = max(map(len, small))
    width = max(image.width for row in small for image in row) + GAP
    top = HEADING if headings else 0
    heights = [
        max(image.height for image in row) + GAP + (HEADING if note else 0)
        for row, note in zip(small, notes, strict=True)
    ]
    sheet = Image.new("RGB", (columns * width + GAP, top + sum(heights) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for column, heading in enumerate(headings):
        pen.text((GAP + column * width, 2), heading, fill="black", font=font)
    y = top + GAP
    for row, note, height in zip(small, notes, heights, strict=True):
        for column, image in enumerate(row):
            sheet.paste(image, (GAP + column * width, y))
        if note:
            pen.text((GAP, y + height - GAP - HEADING + 1), note, fill="black", font=font)
        y += height
    return sheet


def _fitted(pixels: Pixels) -> Image.Image:
    """Return a picture no larger than a preview shows."""
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    return image


def save_side_by_side(path: Path, picture: NDArray[Any], classes: NDArray[np.integer[Any]]) -> None:
    """Write `side_by_side` as PNG; its folder is made."""
    _save(side_by_side(picture, classes), path)


def save_contact_sheet(
    path: Path, pairs: Sequence[tuple[NDArray[Any], NDArray[np.integer[Any]]]]
) -> None:
    """Write a `contact_sheet` as PNG; its folder is made."""
    _save(contact_sheet(pairs), path)


def save_preview(path: Path, examples: Sequence[Example]) -> None:
    """Write a `preview` as PNG; its folder is made."""
    _save(preview(examples), path)


def _save(image: Image.Image, path: Path) -> None:
    """Write an image; the file is complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_file(path) as temporary:
        image.save(temporary, format="png")
