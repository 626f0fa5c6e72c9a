"""The values or colours of masks <-> class numbers.

A value's place in the sorted table of all values is its class. The table is found once, over all
masks of a set, and stored with the network, so that predicted masks have the values of the masks
that were learned from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stemsep.data.images import Mask, Palette
from stemsep.errors import DatasetError, ParameterError

__all__ = [
    "MAX_CLASSES",
    "MaskValue",
    "classes_of",
    "grey_values",
    "mask_image",
    "nearest_classes",
    "noise_in",
    "parse_mask_values",
    "values_of",
]

MaskValue = int | tuple[int, int, int]
"""A grey value, an index of a palette, or a colour."""

MAX_CLASSES = 256

RARE = 0.01
"""Values that cover less than this share of a mask are rare."""

RARE_VALUES = 6
"""This many rare values in one mask, and more than half of all, are noise: nobody draws that."""


def parse_mask_values(text: str) -> tuple[int, ...]:
    """Return the grey values of a list such as ``0,255``; none of an empty one.

    Raises:
        ParameterError: not two or more different numbers from 0 to 65535.
    """
    if not text:
        return ()
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(set(values)) < 2 or not 0 <= min(values) <= max(values) <= np.iinfo(np.uint16).max:
        raise ParameterError(f"mask values '{text}': give two or more numbers, such as 0,255")
    return tuple(sorted(set(values)))


def values_of(mask: Mask) -> dict[MaskValue, int]:
    """Return the values of a mask, sorted, with how many pixels have each."""
    if mask.pixels.ndim == 2:
        values, counts = np.unique(mask.pixels, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    codes, counts = np.unique(_codes(mask.pixels), return_counts=True)
    return {_colour(code): n for code, n in zip(codes.tolist(), counts.tolist(), strict=True)}


def noise_in(values: Mapping[MaskValue, int], *, lossy: bool) -> str:
    """Return what is suspicious about a mask's values, empty if nothing is.

    Compression, smooth resizing and smooth brushes leave many values with few pixels each; taken
    as classes they would ruin a training.

    Args:
        values: pixels by value.
        lossy: the file's format changes values (JPEG).
    """
    rare = sum(count < RARE * sum(values.values()) for count in values.values())
    many = rare >= RARE_VALUES and 2 * rare > len(values)
    if many or len(values) > MAX_CLASSES or (lossy and len(values) > 2 and rare):
        return f"{len(values)} values, {rare} of them rare"
    return ""


def classes_of(mask: Mask, values: Sequence[MaskValue]) -> NDArray[np.uint8]:
    """Return the class numbers ``(height, width)`` of a mask.

    Args:
        mask: of values that are all in the table.
        values: the table, sorted.

    Raises:
        DatasetError: a value that is not in the table; the message has it and its first pixel.
    """
    table = np.array([_code(value) for value in values])
    colours = isinstance(values[0], tuple)
    codes = _codes(mask.pixels) if colours else _grey(mask.pixels)
    classes = np.searchsorted(table, codes).clip(0, len(table) - 1)
    wrong = table[classes] != codes
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        value = (
            tuple(mask.pixels[row, column].tolist())
            if mask.pixels.ndim == 3
            else int(mask.pixels[row, column])
        )
        raise DatasetError(
            f"the value {value} of the pixel in row {row}, column {column} is none of "
            f"{', '.join(map(str, values))}"
        )
    return classes.astype(np.uint8)


def nearest_classes(mask: Mask, values: Sequence[MaskValue]) -> NDArray[np.uint8]:
    """Return the class numbers of a noisy mask: each pixel gets the nearest value's.

    Args:
        mask: of any values.
        values: the table, sorted.
    """
    wanted = np.array(values, dtype=np.int64).reshape(len(values), -1)  # (classes, 1 or 3)
    pixels = mask.pixels[..., None] if mask.pixels.ndim == 2 else mask.pixels
    distance = np.stack(
        [np.abs(pixels.astype(np.int64) - value).sum(-1) for value in wanted]
    )  # (classes, height, width)
    return np.asarray(distance.argmin(0), dtype=np.uint8)


def mask_image(
    classes: NDArray[np.integer[Any]], values: Sequence[MaskValue], palette: Palette | None = None
) -> Image.Image:
    """Return the picture of a mask in the values of its table.

    One bit for the values 0 and 1, which a grey picture would hide; small numbers and indices get
    a palette, so that classes differ to the eye as well; else grey (8 or 16 bit) or colours.

    Args:
        classes: ``(height, width)``, indices into ``values``.
        values: the table.
        palette: colours of the values, where the training masks had a palette.
    """
    table = np.array(values)
    if table.ndim == 2:
        return Image.fromarray(table.astype(np.uint8)[classes])
    if tuple(values) == (0, 1) and palette is None:
        return Image.fromarray(classes.astype(bool))
    if table.max() > np.iinfo(np.uint8).max:
        return Image.fromarray(table.astype(np.uint16)[classes])
    image = Image.fromarray(table.astype(np.uint8)[classes])
    if palette is None and table.max() < len(CLASS_COLOURS):
        palette = CLASS_COLOURS
    if palette is not None:
        image.putpalette([part for colour in palette for part in colour])
    return image


CLASS_COLOURS: Palette = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
    (213, 94, 0), (204, 121, 167), (153, 153, 153), (255, 255, 255), (120, 60, 20), (140, 0, 140),
)  # fmt: skip
"""Colours that also the colour-blind can tell apart (Okabe and Ito 2008), black the first."""


def grey_values(values: Iterable[MaskValue]) -> list[int]:
    """Return the values that are no colours."""
    return [value for value in values if isinstance(value, int)]


def _grey(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the value of each pixel, -1 for colours, which a table of grey values cannot have."""
    if pixels.ndim == 2:
        return pixels.astype(np.int64)
    equal = (pixels == pixels[:, :, :1]).all(-1)
    return np.where(equal, pixels[:, :, 0].astype(np.int64), -1)


def _codes(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return colours as numbers that sort like them; grey counts as three equal parts."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    red, green, blue = (pixels[:, :, part].astype(np.int64) for part in range(3))
    return red << 32 | green << 16 | blue


def _code(value: MaskValue) -> int:
    if isinstance(value, int):
        return value
    red, green, blue = value
    return red << 32 | green << 16 | blue


def _colour(code: int) -> tuple[int, int, int]:
    return code >> 32, code >> 16 & 0xFFFF, code & 0xFFFF
