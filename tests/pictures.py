"""Small pictures with masks that are learned within seconds, for tests of what surrounds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def disc_pair(size: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a grey picture with a bright disc on dark ground, and its mask of 0 and 255."""
    random = np.random.default_rng(seed)
    row, column = random.uniform(0.35 * size, 0.65 * size, 2)
    rows, columns = np.mgrid[:size, :size]
    disc = np.hypot(rows - row, columns - column) < random.uniform(0.2, 0.3) * size
    picture = np.where(disc, 190, 60) + random.integers(-20, 20, (size, size))
    return picture.astype(np.uint8), disc.astype(np.uint8) * 255


def disc_set(folder: Path, count: int = 6, size: int = 32) -> Path:
    """Write a folder of such pairs and return it."""
    for part in ("imgs", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture, mask = disc_pair(size, number)
        Image.fromarray(picture).save(folder / "imgs" / f"disc_{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"disc_{number}_mask.png")
    return folder
