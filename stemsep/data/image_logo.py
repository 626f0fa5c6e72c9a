"""One logo -> many pictures with it, and their masks: a training set from a single picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageEnhance

from stemsep.data.images import read_picture
from stemsep.errors import DatasetError, ParameterError

__all__ = ["LogoConfig", "cut_out", "place_logo"]

NEAR = 60
"""A pixel has the logo's colour if its three parts differ by no more than this in all."""


@dataclass(frozen=True, kw_only=True)
class LogoConfig:
    """How a logo is found in its picture, and what is made of it.

    Args:
        colour: name or ``#rrggbb`` of the logo's pixels; empty: another way.
        threshold: pixels darker than this (0 to 255) are the logo; None: another way.
        invert: the brighter ones are.
        size: height and width of the pictures.
        smallest: share of a picture that the logo's box covers at least.
        largest: at most.
        rotation: largest angle, in degrees.

    Raises:
        ParameterError: a value out of range, or both a colour and a threshold.
    """

    colour: str = ""
    threshold: int | None = None
    invert: bool = False
    size: int = 256
    smallest: float = 0.02
    largest: float = 0.12
    rotation: float = 30.0

    def __post_init__(self) -> None:
        if self.colour and self.threshold is not None:
            raise ParameterError("a colour and a threshold exclude each other")
        if self.size < 16:
            raise ParameterError(f"size = {self.size}: it must be 16 or more")
        if not 0 < self.smallest <= self.largest <= 1:
            raise ParameterError("shares of the logo: 0 < smallest <= largest <= 1")


def cut_out(path: Path, config: LogoConfig) -> Image.Image:
    """Return a logo (RGBA) without its surroundings.

    What is transparent in the file is cut away, unless a colour or a threshold says what is.

    Raises:
        DatasetError: not readable, or nothing or everything is the logo.
        ParameterError: an unknown colour.
    """
    try:
        with Image.open(path) as image:
            rgba = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetError(f"cannot read '{path}': {error}") from error
    pixels = np.asarray(rgba)
    if config.colour:
        try:
            wanted = np.array(ImageColor.getrgb(config.colour)[:3])
        except ValueError as error:
            raise ParameterError(f"no colour '{config.colour}': give #rrggbb") from error
        alpha = 255 * (np.abs(pixels[:, :, :3].astype(int) - wanted).sum(2) <= NEAR)
    elif config.threshold is not None:
        dark = np.asarray(rgba.convert("L")) < config.threshold
        alpha = 255 * (dark != config.invert)
    else:
        alpha = pixels[:, :, 3].astype(int)
    share = (alpha >= 128).mean()
    if share in (0, 1):
        raise DatasetError(
            f"'{path}': {'nothing' if share == 0 else 'every pixel'} would be the logo; it needs "
            "a transparent background, --colour or --threshold"
        )
    rgba.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return rgba.crop(rgba.getchannel("A").getbbox())


def place_logo(
    logo: Image.Image,
    backgrounds: Sequence[Path],
    copies: int,
    config: LogoConfig,
    random: np.random.Generator,
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield pictures ``(3, size, size)`` with the logo somewhere, and their classes.

    Args:
        logo: of `cut_out`.
        backgrounds: pictures to put it on; none: they are drawn.
        copies: how many.
        config: sizes and angles.
        random: what draws all this.

    Raises:
        DatasetError: a background cannot be read.
    """
    for _ in range(copies):
        if backgrounds:
            picture = _cut(backgrounds[int(random.integers(len(backgrounds)))], config.size, random)
        else:
            picture = _drawn(config.size, random)
        share = random.uniform(config.smallest, config.largest)
        factor = (share * config.size**2 / (logo.width * logo.height)) ** 0.5
        size = max(1, round(factor * logo.width)), max(1, round(factor * logo.height))
        lit = ImageEnhance.Brightness(logo).enhance(random.uniform(0.8, 1.2))
        turned = lit.resize(size, Image.Resampling.LANCZOS).rotate(
            random.uniform(-config.rotation, config.rotation),
            Image.Resampling.BICUBIC,
            expand=True,
        )
        turned.thumbnail((config.size, config.size))
        left = int(random.integers(0, config.size - turned.width + 1))
        top = int(random.integers(0, config.size - turned.height + 1))
        alpha = Image.new("L", picture.size)
        alpha.paste(turned.getchannel("A"), (left, top))
        picture.paste(turned.convert("RGB"), (left, top), turned.getchannel("A"))
        classes = (np.asarray(alpha) >= 128).astype(np.uint8)
        yield np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1)), classes


def _cut(path: Path, size: int, random: np.random.Generator) -> Image.Image:
    """Return a random square of a picture."""
    pixels = read_picture(path)
    if pixels.dtype != np.uint8:
        low, high = np.percentile(pixels, (0.5, 99.5))
        pixels = (255 * ((pixels - low) / max(float(high - low), 1e-6)).clip(0, 1)).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0))
    side = min(image.size)
    left, top = (int(random.integers(0, n - side + 1)) for n in image.size)
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def _drawn(size: int, random: np.random.Generator) -> Image.Image:
    """Return a background of soft colours with some shapes."""
    soft = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    picture = soft.resize((size, size), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(3, 12))):
        x, y = random.uniform(-0.1, 0.9, 2) * size
        width, height = random.uniform(0.05, 0.4, 2) * size
        colour = tuple(int(part) for part in random.integers(0, 256, 3))
        draw = pen.ellipse if random.random() < 0.5 else pen.rectangle
        draw((x, y, x + width, y + height), fill=colour)
    return picture
