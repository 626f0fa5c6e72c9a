"""A folder of pictures and masks -> pairs, all of them checked before anything is learned.

::

    FOLDER/imgs/NAME.*    FOLDER/masks/NAME_mask.* (or NAME.*)    FOLDER/instances/NAME_instances.*

The last is for the weight map of touching borders alone: masks with a number for each object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.data.image_masks import (
    MAX_CLASSES,
    MaskValue,
    classes_of,
    grey_values,
    nearest_classes,
    noise_in,
    values_of,
)
from stemsep.data.images import Colour, Palette, read_mask, read_picture
from stemsep.errors import DatasetError

__all__ = ["ImageSet", "Pair", "check_pairs", "find_pairs", "read_classes", "read_image_set"]

LOSSY = (".jpg", ".jpeg", ".jfif")


@dataclass(frozen=True)
class Pair:
    """A picture and its mask; ``instances`` is there where the folder has them."""

    name: str
    image: Path
    mask: Path
    instances: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Pairs that fit together, and what all of them say.

    Args:
        pairs: sorted by name.
        mask_values: the table of the masks' values; a value's place is its class.
        nearest: masks are noisy: each pixel takes the nearest value of the table.
        palette: of the masks, where they have one.
        channels: 1 if all pictures are grey, else 3.
        sizes: ``(height, width)`` of each pair.
        shares: of all pixels, by class.
    """

    pairs: tuple[Pair, ...]
    mask_values: tuple[MaskValue, ...]
    nearest: bool = False
    palette: Palette | None = None
    channels: int
    sizes: tuple[tuple[int, int], ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class _Found:
    """What one pair turned out to be; ``problem`` is empty where it is sound."""

    size: tuple[int, int] = (0, 0)
    channels: int = 0
    values: dict[MaskValue, int] | None = None
    palette: Palette | None = None
    problem: str = ""


def read_image_set(
    folder: Path,
    *,
    mask_values: Sequence[MaskValue] = (),
    like: ImageSet | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImageSet:
    """Return the checked pairs of a folder.

    Args:
        folder: holds ``imgs`` and ``masks``.
        mask_values: what the masks are known to hold; each pixel takes the nearest of them. Empty:
            found by reading all masks.
        like: a set whose table of values these masks have to fit.
        progress: called with the pairs done and their number.

    Raises:
        DatasetError: anything that does not fit; one line of the message for each problem.
    """
    pairs, problems = find_pairs(folder)
    found = check_pairs(pairs, mask_values=mask_values, progress=progress)
    problems += [item.problem for item in found if item.problem]
    if problems:
        raise DatasetError("\n".join(problems))
    total: Counter[MaskValue] = Counter()
    for item in found:
        total.update(item.values or {})
    if like is not None:
        return _fitted(pairs, found, like)
    table = tuple(sorted(mask_values or total, key=_order))
    if any(isinstance(value, tuple) for value in table):
        # Masks without colours in a set that has some: black, say, is the colour (0, 0, 0).
        total.update({(value, value, value): total.pop(value, 0) for value in grey_values(table)})
        table = tuple(sorted(total, key=_order))
    if not 2 <= len(table) <= MAX_CLASSES:
        raise DatasetError(
            f"the masks of '{folder}' have {len(table)} values ({_listed(table)}): "
            f"2 to {MAX_CLASSES} classes can be learned"
        )
    palette = next((item.palette for item in found if item.palette), None)
    pixels = sum(total.values())
    return ImageSet(
        pairs=tuple(pairs),
        mask_values=table,
        nearest=bool(mask_values),
        palette=palette[: max(grey_values(table)) + 1] if palette else None,
        channels=max(item.channels for item in found),
        sizes=tuple(item.size for item in found),
        shares=tuple(total[value] / pixels for value in table),
    )


def _fitted(pairs: Sequence[Pair], found: Sequence[_Found], like: ImageSet) -> ImageSet:
    """Return pairs with the table of another set."""
    result = replace(like, pairs=tuple(pairs), sizes=tuple(item.size for item in found), shares=())
    problems = []
    pixels = np.zeros(len(like.mask_values), dtype=np.int64)
    for pair in pairs:
        try:
            pixels += np.bincount(read_classes(pair, result).ravel(), minlength=len(pixels))
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise DatasetError("\n".join(problems))
    return replace(result, shares=tuple((pixels / max(1, pixels.sum())).tolist()))


def find_pairs(folder: Path) -> tuple[list[Pair], list[str]]:
    """Return the pairs of a folder by name, and a line for each file without exactly one partner.

    Hidden files and folders inside are left alone.
    """
    images, masks = _by_stem(folder / "imgs"), _by_stem(folder / "masks")
    instances = _by_stem(folder / "instances")
    problems = []
    if not images:
        state = "is empty" if (folder / "imgs").is_dir() else "does not exist"
        return [], [f"'{folder / 'imgs'}' {state}: put pictures there, and masks into 'masks'"]
    pairs = []
    unused = {path for paths in masks.values() for path in paths}
    # NAME_mask goes first everywhere, so that a picture called `a_mask` does not take a's mask.
    marked = {name: masks.get(f"{name}_mask", []) for name in images}
    taken = {path for paths in marked.values() for path in paths}
    for name, paths in images.items():
        fitting = marked[name] + [path for path in masks.get(name, []) if path not in taken]
        unused -= set(fitting)
        if len(paths) > 1:
            problems.append(f"{_both(paths)} have one name: masks could belong to either")
        elif not fitting:
            problems.append(
                f"'{paths[0]}' has no mask: none is called {name}_mask.* or {name}.* in "
                f"'{folder / 'masks'}'"
            )
        elif len(fitting) > 1:
            problems.append(f"'{paths[0]}' has {len(fitting)} masks: {_both(fitting)}")
        else:
            known = instances.get(f"{name}_instances", [None])
            pairs.append(Pair(name, paths[0], fitting[0], known[0]))
    problems += [
        f"'{path}' belongs to no picture in '{folder / 'imgs'}'" for path in sorted(unused)
    ]
    return pairs, problems


def check_pairs(
    pairs: Sequence[Pair],
    *,
    mask_values: Sequence[MaskValue] = (),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[_Found]:
    """Read all pairs, several at a time, and return what each is."""
    found = []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda pair: _checked(pair, mask_values), pairs)
        for done, result in enumerate(results, start=1):
            found.append(result)
            progress(done, len(pairs))
    return _palettes_compared(pairs, found)


def read_classes(pair: Pair, image_set: ImageSet) -> NDArray[np.uint8]:
    """Return the class numbers ``(height, width)`` of a pair's mask.

    Raises:
        DatasetError: not readable, or a value that the set's table does not have.
    """
    mask = read_mask(pair.mask)
    try:
        convert = nearest_classes if image_set.nearest else classes_of
        return convert(mask, image_set.mask_values)
    except DatasetError as error:
        raise DatasetError(f"'{pair.mask}': {error}") from error


def _checked(pair: Pair, mask_values: Sequence[MaskValue]) -> _Found:
    try:
        picture, mask = read_picture(pair.image), read_mask(pair.mask)
    except DatasetError as error:
        return _Found(problem=str(error))
    size, mask_size = picture.shape[1:], mask.pixels.shape[:2]
    if size != mask_size:
        return _Found(
            problem=f"'{pair.image}' has {_size(size)} pixels, its mask '{pair.mask}' "
            f"{_size(mask_size)}"
        )
    if mask_values:
        table = sorted(mask_values, key=_order)
        counts = np.bincount(nearest_classes(mask, table).ravel(), minlength=len(table))
        return _Found(size, len(picture), dict(zip(table, counts.tolist(), strict=True)))
    values = values_of(mask)
    if noise := noise_in(values, lossy=pair.mask.suffix.lower() in LOSSY):
        likely = sorted(sorted(values, key=lambda value: -values[value])[:2], key=_order)
        return _Found(
            problem=f"'{pair.mask}' has {noise}: noise of compression or resizing; save masks as "
            f"PNG, or name the true values, such as --mask-values {_listed(likely)}"
        )
    return _Found(size, len(picture), values, mask.palette)


def _palettes_compared(pairs: Sequence[Pair], found: Sequence[_Found]) -> list[_Found]:
    """Mark masks whose palette gives one of their values another colour than the first mask's."""
    result: list[_Found] = []
    known: dict[MaskValue, tuple[Colour, Path]] = {}
    for pair, item in zip(pairs, found, strict=True):
        palette = item.palette or ()
        for value in grey_values(item.values or ()) if palette else ():
            colour = palette[value]
            first, path = known.setdefault(value, (colour, pair.mask))
            if colour != first:
                problem = (
                    f"'{pair.mask}' has another palette than '{path}': value {value} is {colour} "
                    f"in one and {first} in the other; save the masks as RGB"
                )
                item = replace(item, problem=problem)
                break
        result.append(item)
    return result


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder by their names without the ending, sorted."""
    named: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                named.setdefault(path.stem, []).append(path)
    return named


def _order(value: MaskValue) -> tuple[bool, Any]:
    """Sort numbers before colours."""
    return isinstance(value, tuple), value


def _both(paths: Iterable[Path]) -> str:
    return " and ".join(f"'{path}'" for path in paths)


def _size(size: tuple[int, ...]) -> str:
    """Return a size as people say it: width first."""
    return f"{size[1]} x {size[0]}"


def _listed(values: Sequence[MaskValue]) -> str:
    shown = ",".join(str(value).replace(" ", "") for value in values[:12])
    return f"{shown},..." if len(values) > 12 else shown
