"""Variations of a picture and its mask: flips, turns, warps, elastic deformation, light.

All that moves pixels is one map from the pixels of the result to places in the source, so that
every pixel is interpolated once. SciPy interpolates; beyond its edges a picture is mirrored.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015 (arXiv 1505.04597), section 3.1: "random displacement vectors on a coarse
3 by 3 grid ... sampled from a Gaussian distribution with 10 pixels standard deviation. Per-pixel
displacements are then computed using bicubic interpolation."
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stemsep.errors import ParameterError

__all__ = [
    "AugmentConfig",
    "Layer",
    "elastic_displacement",
    "parse_augment",
    "source_places",
    "varied_light",
    "warped",
]

GRID = 3
"""Random vectors of the elastic deformation along each axis."""

Places = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How pictures are varied; 0 leaves that variation out.

    Args:
        flips: probability that each axis is flipped, at most 0.5.
        turns: probability of a quarter turn or more, at most 0.75.
        rotation: largest angle, in degrees.
        shift: largest shift, as a share of height and width.
        scale: largest change of size: 0.2 is from 1 / 1.2 to 1.2.
        brightness: largest change of the mean, in deviations of the picture.
        contrast: largest change of the deviation: 0.2 is from 1 / 1.2 to 1.2.
        elastic: deviation of the random vectors, in pixels.

    Raises:
        ParameterError: a value below 0, or a probability above its limit.
    """

    flips: float = 0.5
    turns: float = 0.75
    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, limit = getattr(self, field.name), LIMITS.get(field.name, np.inf)
            if not 0 <= value <= limit:
                raise ParameterError(f"augment {field.name} = {value}: it must be 0 to {limit:g}")

    @property
    def warps(self) -> bool:
        """Whether pixels move by other than flips and quarter turns."""
        return bool(self.rotation or self.shift or self.scale or self.elastic)


LIMITS = {"flips": 0.5, "turns": 0.75, "rotation": 180.0, "shift": 1.0}
USUAL = AugmentConfig(rotation=15, shift=0.1, scale=0.2, brightness=0.3, contrast=0.3, elastic=10)
"""Strengths of the variations that are named without one; the elastic one is the paper's."""


def parse_augment(text: str) -> AugmentConfig:
    """Return the variations of a list such as ``flips,elastic=10``; ``none`` or ``all`` of them.

    Raises:
        ParameterError: an unknown name (the nearest is named) or a value out of range.
    """
    names = [field.name for field in fields(AugmentConfig)]
    nothing = dict.fromkeys(names, 0.0)
    if text.strip() == "all":
        return USUAL
    if text.strip() == "none":
        return AugmentConfig(**nothing)
    given = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1) or [", ".join([*names, "none, all"])]
            raise ParameterError(f"unknown variation '{name}'; did you mean {near[0]}?")
        try:
            given[name] = float(value) if equals else getattr(USUAL, name)
        except ValueError as error:
            raise ParameterError(f"augment {name} = {value}: it must be a number") from error
    return AugmentConfig(**{**nothing, **given})


@dataclass(frozen=True)
class Layer:
    """Something that is warped along with a picture.

    Args:
        pixels: ``(…, height, width)``.
        smooth: interpolate; else the nearest pixel, for class numbers.
    """

    pixels: NDArray[Any]
    smooth: bool = True


def source_places(
    config: AugmentConfig,
    random: np.random.Generator,
    *,
    source: tuple[int, int],
    centre: tuple[float, float],
    size: tuple[int, int],
) -> Places:
    """Return where in the source each pixel of a result comes from, ``(2, height, width)``.

    Args:
        config: the variations.
        random: what draws them.
        source: height and width of the source.
        centre: place in the source that comes to the middle of the result.
        size: height and width of the result.
    """
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in size)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"))  # from the middle
    if config.elastic:
        vectors = random.normal(0, config.elastic, (2, GRID, GRID))
        places = places + elastic_displacement(vectors, *size)
    matrix = _turned_and_flipped(config, random)
    if config.rotation or config.scale:
        angle = np.deg2rad(random.uniform(-config.rotation, config.rotation))
        cosine, sine = np.cos(angle), np.sin(angle)
        factor = (1 + config.scale) ** random.uniform(-1, 1)
        matrix = matrix @ np.array([[cosine, -sine], [sine, cosine]]) / factor
    shift = random.uniform(-config.shift, config.shift, 2) * source
    offset = np.array(centre) + shift
    return np.tensordot(matrix, places, axes=1) + offset[:, None, None]


def elastic_displacement(vectors: NDArray[np.float64], height: int, width: int) -> Places:
    """Return the displacement of each pixel, ``(2, height, width)``, in pixels.

    Args:
        vectors: ``(2, rows, columns)`` displacements at a regular grid whose corners are those of
            the picture; between them a bicubic spline through all of them.
        height: of the picture, in pixels.
        width: likewise.
    """
    steps = (
        np.linspace(0, count - 1, size)
        for count, size in zip(vectors.shape[1:], (height, width), strict=True)
    )
    places = np.stack(np.meshgrid(*steps, indexing="ij"))
    return np.stack(
        [ndimage.map_coordinates(part, places, order=3, mode="mirror") for part in vectors]
    )


def warped(layers: Sequence[Layer], places: Places) -> list[NDArray[Any]]:
    """Return layers with the pixels that `source_places` names; mirrored beyond their edges."""
    exact = bool((places == np.rint(places)).all())
    return [_warped(layer, places, exact=exact) for layer in layers]


def varied_light(
    picture: NDArray[np.float32], config: AugmentConfig, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return a picture of mean 0 and deviation 1 with another brightness and contrast."""
    if not (config.brightness or config.contrast):
        return picture
    gain = (1 + config.contrast) ** random.uniform(-1, 1)
    offset = random.uniform(-config.brightness, config.brightness)
    return np.asarray(gain * picture + offset, dtype=np.float32)


def _turned_and_flipped(config: AugmentConfig, random: np.random.Generator) -> NDArray[np.float64]:
    """Return a matrix of quarter turns and flips: whole numbers, so that pixels stay exact."""
    matrix = np.eye(2)
    if random.random() < config.turns:
        quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
        matrix = np.linalg.matrix_power(quarter, int(random.integers(1, 4)))
    signs = np.where(random.random(2) < config.flips, -1.0, 1.0)
    return np.asarray(signs[:, None] * matrix)


def _warped(layer: Layer, places: Places, *, exact: bool) -> NDArray[Any]:
    pixels = layer.pixels
    height, width = pixels.shape[-2:]
    if exact or not layer.smooth:
        rows, columns = (
            _reflected(np.rint(axis).astype(np.int64), n)
            for axis, n in zip(places, (height, width), strict=True)
        )
        return np.ascontiguousarray(pixels[..., rows, columns])
    planes = pixels.reshape(-1, height, width)
    moved = [ndimage.map_coordinates(plane, places, order=1, mode="mirror") for plane in planes]
    return np.stack(moved).reshape(*pixels.shape[:-2], *places.shape[1:])


def _reflected(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return places of an axis mirrored at both ends; the edge pixel is not repeated."""
    if size == 1:
        return np.zeros_like(index)
    place = index % (2 * (size - 1))
    return np.minimum(place, 2 * (size - 1) - place)
