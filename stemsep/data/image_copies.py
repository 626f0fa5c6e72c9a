"""Varied copies of pictures and masks, written as a set to train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.atomic import partial_file
from stemsep.data.image_augment import AugmentConfig, Layer, source_places, varied_light, warped
from stemsep.data.image_logo import LogoConfig, cut_out, place_logo
from stemsep.data.image_masks import mask_image
from stemsep.data.image_pairs import ImageSet, read_classes
from stemsep.data.images import as_floats, picture_image, read_picture
from stemsep.errors import ParameterError

__all__ = ["SHOWN", "logo_copies", "set_copies", "write_pairs"]

SHOWN = 24
"""Pairs on a contact sheet."""

Copy = tuple[str, NDArray[Any], NDArray[np.uint8]]
"""Name, picture ``(channels, height, width)``, class numbers ``(height, width)``."""


def set_copies(
    image_set: ImageSet, copies: int, config: AugmentConfig, *, seed: int
) -> Iterator[Copy]:
    """Yield varied copies of each pair of a set; each depends on the seed and its number alone."""
    for number, pair in enumerate(image_set.pairs):
        picture, classes = read_picture(pair.image), read_classes(pair, image_set)
        height, width = classes.shape
        for copy in range(copies):
            random = np.random.default_rng([seed, number, copy])
            places = source_places(
                config,
                random,
                source=(height, width),
                centre=((height - 1) / 2, (width - 1) / 2),
                size=(height, width),
            )
            layers = [Layer(as_floats(picture)), Layer(classes, smooth=False)]
            moved, mask = warped(layers, places)
            yield f"{pair.name}_{copy + 1:02d}", _lit(moved, picture, config, random), mask


def logo_copies(
    path: Path, backgrounds: Path | None, copies: int, config: LogoConfig, *, seed: int
) -> Iterator[Copy]:
    """Yield pictures with the logo of a file; see `stemsep.data.image_logo`.

    Raises:
        DatasetError: the logo or a background cannot be read.
        ParameterError: a folder of backgrounds without pictures.
    """
    grounds = sorted(p for p in backgrounds.iterdir() if p.is_file()) if backgrounds else []
    if backgrounds and not grounds:
        raise ParameterError(f"no picture in the folder '{backgrounds}'")
    random = np.random.default_rng(seed)
    pairs = place_logo(cut_out(path, config), grounds, copies, config, random)
    for number, (picture, classes) in enumerate(pairs, start=1):
        yield f"{path.stem}_{number:03d}", picture, classes


def write_pairs(
    pairs: Iterator[Copy],
    output: Path,
    image_set: ImageSet | None,
    progress: Callable[[int], None] = lambda _done: None,
) -> list[tuple[NDArray[Any], NDArray[np.uint8]]]:
    """Write pairs as ``imgs/NAME.png`` and ``masks/NAME_mask.png``; return the first `SHOWN`.

    Args:
        pairs: what to write.
        output: a folder, which must be empty or missing.
        image_set: has the masks' values; None: 0 and 255.
        progress: called with the number of pairs written.

    Raises:
        ParameterError: something is in the folder.
        OSError: it cannot be written.
    """
    if output.exists() and any(output.iterdir()):
        raise ParameterError(f"'{output}' is not empty: give another folder")
    values = image_set.mask_values if image_set else (0, 255)
    palette = image_set.palette if image_set else None
    shown = []
    for done, (name, picture, classes) in enumerate(pairs, start=1):
        files = {
            output / "imgs" / f"{name}.png": picture_image(picture),
            output / "masks" / f"{name}_mask.png": mask_image(classes, values, palette),
        }
        for path, image in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial_file(path) as temporary:
                image.save(temporary, format="png")
        if done <= SHOWN:
            shown.append((picture, classes))
        progress(done)
    return shown


def _lit(
    moved: NDArray[np.float32],
    picture: NDArray[Any],
    config: AugmentConfig,
    random: np.random.Generator,
) -> NDArray[Any]:
    """Return a warped picture with another light, in the depth of its source."""
    floats = as_floats(picture)
    mean, deviation = float(floats.mean()), max(float(floats.std()), 1e-6)
    lit = mean + deviation * varied_light((moved - mean) / deviation, config, random)
    largest = 65535 if picture.dtype == np.uint16 else 255
    kind = np.uint16 if picture.dtype == np.uint16 else np.uint8
    return np.asarray((largest * lit.clip(0, 1)).round().astype(kind))
