"""Draws the image set that travels with stemsep: side views of cars, each with its mask.

    python data/images/make_cars.py FOLDER

writes ``imgs`` and ``masks`` (72 pairs of 128 x 128 to train on), ``heldout`` (12 more pairs, for
scores) and ``five`` (5 pairs of 256 x 256, for the tutorial). Mask values: 0 background, 255 car.
Each picture depends on its name alone. Needs NumPy and Pillow.
"""

from __future__ import annotations

import colorsys
import math
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OVERSAMPLING = 4
"""Pictures are drawn this much larger, then reduced: edges come out smooth."""

SHARES = (0.16, 0.34)
"""A car covers this share of its picture."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Upper outlines, from the rear bumper to the front one: (x, y) in units of the car's length, the
# ground at y = 0. The lower edge of the body is at SILL.
SILL = 0.06
SHAPES: dict[str, list[Point]] = {
    "saloon": [(0, 0.2), (0.02, 0.27), (0.2, 0.28), (0.32, 0.4), (0.58, 0.41), (0.73, 0.28),
               (0.96, 0.24), (1, 0.16)],
    "estate": [(0, 0.2), (0.01, 0.29), (0.07, 0.41), (0.56, 0.42), (0.72, 0.29), (0.95, 0.25),
               (1, 0.16)],
    "hatchback": [(0, 0.2), (0.02, 0.31), (0.13, 0.45), (0.52, 0.46), (0.74, 0.31), (0.95, 0.26),
                  (1, 0.17)],
    "van": [(0, 0.18), (0, 0.52), (0.03, 0.55), (0.7, 0.55), (0.84, 0.34), (0.98, 0.28),
            (1, 0.15)],
    "coupe": [(0, 0.19), (0.01, 0.27), (0.12, 0.29), (0.36, 0.38), (0.5, 0.38), (0.69, 0.26),
              (0.97, 0.2), (1, 0.13)],
    "pickup": [(0, 0.2), (0, 0.31), (0.4, 0.31), (0.43, 0.46), (0.62, 0.46), (0.74, 0.32),
               (0.98, 0.29), (1, 0.16)],
}  # fmt: skip


def draw(name: str, size: int) -> tuple[Image.Image, Image.Image]:
    """Return the picture (RGB) and the mask (grey) of a name, ``size`` pixels square.

    Cars that cover too much or too little of the picture are drawn anew.
    """
    random = np.random.default_rng(zlib.crc32(name.encode()))
    while True:
        picture, mask = _draw_once(random, size)
        if SHARES[0] <= (np.asarray(mask) > 0).mean() <= SHARES[1]:
            return picture, mask


def _draw_once(random: np.random.Generator, size: int) -> tuple[Image.Image, Image.Image]:
    full = size * OVERSAMPLING
    horizon = full * random.uniform(0.45, 0.7)
    picture = _background(random, full, horizon)
    mask = Image.new("L", (full, full))
    length = full * random.uniform(0.68, 0.9)
    left = random.uniform(0.03 * full, 0.97 * full - length)
    ground = min(0.95 * full, horizon + full * random.uniform(0.1, 0.25))
    _car(random, picture, mask, left, ground, length)
    if random.random() < 0.5:  # half of them drive to the left
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mask = mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    small = picture.resize((size, size), Image.Resampling.BOX)
    light = random.uniform(0.8, 1.1) * np.asarray(small, dtype=np.float64)
    grain = random.integers(-2, 3, (size // 2, size // 2, 1)).repeat(2, 0).repeat(2, 1)
    pixels = (light + grain).clip(0, 255).astype(np.uint8)
    edge = np.asarray(mask.resize((size, size), Image.Resampling.BOX)) >= 128
    return Image.fromarray(pixels), Image.fromarray(edge.astype(np.uint8) * 255)


def _background(random: np.random.Generator, full: int, horizon: float) -> Image.Image:
    """Sky, then hills, houses or trees, then the road."""
    top, bottom = _hsv(random.uniform(0.52, 0.64), random.uniform(0.1, 0.6), 0.75), (235, 225, 215)
    height = np.linspace(0, 1, full)[:, None, None]
    sky = np.array(top) * (1 - height) + np.array(bottom) * height
    picture = Image.fromarray(np.repeat(sky, full, axis=1).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    kind = random.choice(["hills", "houses", "trees"])
    for _ in range(int(random.integers(4, 9))):
        x, width = random.uniform(-0.1, 1) * full, random.uniform(0.15, 0.45) * full
        high = horizon - random.uniform(0.1, 0.4) * full
        green = _hsv(
            random.uniform(0.22, 0.4), random.uniform(0.15, 0.4), random.uniform(0.35, 0.6)
        )
        if kind == "hills":
            pen.ellipse((x - width, high, x + width, 2 * horizon - high), fill=green)
        elif kind == "trees":
            pen.rectangle((x - full / 80, high, x + full / 80, horizon), fill=(92, 70, 52))
            pen.ellipse((x - width / 3, high - width / 3, x + width / 3, high + width / 3), green)
        else:
            _house(random, pen, (x, high, x + width, horizon), full)
    grey = int(random.integers(85, 150))
    pen.rectangle((0, horizon, full, full), fill=(grey, grey, grey + 6))
    kerb = horizon + full * 0.03
    pen.rectangle((0, horizon, full, kerb), fill=(grey + 40, grey + 38, grey + 32))
    return picture


def _house(
    random: np.random.Generator,
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    full: int,
) -> None:
    wall = _hsv(random.uniform(0, 0.15), random.uniform(0.05, 0.35), random.uniform(0.5, 0.8))
    pen.rectangle(box, fill=wall)
    step, pane = full / 12, full / 28
    for x in np.arange(box[0] + pane / 2, box[2] - pane, step):
        for y in np.arange(box[1] + pane / 2, box[3] - pane, step):
            pen.rectangle((x, y, x + pane, y + pane), fill=(70, 80, 95))


def _car(
    random: np.random.Generator,
    picture: Image.Image,
    mask: Image.Image,
    left: float,
    ground: float,
    length: float,
) -> None:
    """Draw a car and its shadow into the picture, and the car into the mask."""
    shape = SHAPES[str(random.choice(list(SHAPES)))]
    tall = random.uniform(0.88, 1.12)
    upper = [(x, y * tall * random.uniform(0.98, 1.02)) for x, y in shape]
    front = random.uniform(0.78, 0.83)
    radius = random.uniform(0.075, 0.095)
    body = [*_rounded(upper), (1.0, SILL), (0.0, SILL)]
    wheels = [(random.uniform(0.17, 0.22), radius), (front, radius)]

    def place(points: list[Point]) -> list[Point]:
        return [(left + x * length, ground - y * length) for x, y in points]

    def disc(centre: Point, size: float) -> tuple[float, float, float, float]:
        (x, y), r = place([centre])[0], size * length
        return (x - r, y - r, x + r, y + r)

    _shadow(picture, disc((0.5, 0), 0.5), length)
    paint = _paint(random)
    darker, darkest = (tuple(int(part * value) for value in paint) for part in (0.78, 0.4))
    pen, stencil = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    for points, fill in ((body, paint), (_below(body, 0.17), darker)):
        pen.polygon(place(points), fill=fill)
    pen.line(place([*body, body[0]]), fill=darkest, width=OVERSAMPLING + 1, joint="curve")
    stencil.polygon(place(body), fill=255)
    for pane in _windows(upper):
        pen.polygon(place(pane), fill=(45, 55, 68))
    rim = int(random.integers(120, 220))
    for centre in wheels:
        pen.ellipse(disc(centre, radius), fill=(28, 28, 30))
        pen.ellipse(disc(centre, 0.58 * radius), fill=(rim, rim, rim))
        stencil.ellipse(disc(centre, radius), fill=255)
    pen.ellipse(disc((0.965, 0.19 * tall), 0.022), fill=(250, 245, 210))
    pen.ellipse(disc((0.025, 0.2 * tall), 0.018), fill=(200, 30, 30))


def _paint(random: np.random.Generator) -> Colour:
    """Return white for every sixth car, and a strong colour for the others."""
    if random.random() < 1 / 6:
        return _hsv(0.0, 0.0, random.uniform(0.92, 1.0))
    return _hsv(random.random(), random.uniform(0.55, 0.95), random.uniform(0.5, 0.95))


def _shadow(picture: Image.Image, box: tuple[float, float, float, float], length: float) -> None:
    """Darken the road below the car, with soft edges."""
    dark = Image.new("L", picture.size)
    middle = (box[1] + box[3]) / 2
    flat = (box[0], middle - 0.03 * length, box[2], middle + 0.035 * length)
    ImageDraw.Draw(dark).ellipse(flat, fill=110)
    dark = dark.filter(ImageFilter.GaussianBlur(0.012 * length))
    picture.paste(Image.new("RGB", picture.size, (20, 20, 22)), mask=dark)


def _windows(upper: list[Point]) -> list[list[Point]]:
    """Return two panes below the roof, which is the highest stretch of the outline."""
    roof = max(y for _, y in upper)
    high = [x for x, y in upper if y > 0.9 * roof]
    start, end = min(high), max(high)
    belt, top = 0.64 * roof, 0.93 * roof
    post = start + 0.52 * (end - start)
    lean = 0.55 * (roof - belt)
    return [
        [(max(0.05, start - lean / 2), belt), (start + 0.02, top), (post - 0.012, top),
         (post - 0.012, belt)],
        [(post + 0.012, belt), (post + 0.012, top), (end - 0.01, top), (end + lean, belt)],
    ]  # fmt: skip


def _below(points: list[Point], height: float) -> list[Point]:
    """Return the outline cut off at a height."""
    return [(x, min(y, height)) for x, y in points]


def _rounded(points: list[Point], steps: int = 4) -> list[Point]:
    """Return an open line with its corners cut (Chaikin 1974), so that it bends smoothly."""
    for _ in range(steps):
        cut = [points[0]]
        for (x, y), (u, v) in pairwise(points):
            cut += [(0.8 * x + 0.2 * u, 0.8 * y + 0.2 * v), (0.2 * x + 0.8 * u, 0.2 * y + 0.8 * v)]
        points = [*cut, points[-1]]
    return points


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (
        math.floor(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value)
    )
    return (red, green, blue)


def write_set(folder: Path, prefix: str, count: int, size: int) -> None:
    """Write ``count`` pairs below ``folder``."""
    for part in ("imgs", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"{prefix}_{number:02d}"
        picture, mask = draw(name, size)
        picture.save(folder / "imgs" / f"{name}.png", optimize=True)
        mask.save(folder / "masks" / f"{name}_mask.png", optimize=True)


def main(folder: Path) -> None:
    """Write the whole set below ``folder``."""
    write_set(folder, "car", 72, 128)
    write_set(folder / "heldout", "heldout", 12, 128)
    write_set(folder / "five", "five", 5, 256)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
