"""Checked pairs -> what a network learns from: prepared pictures, class numbers, weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.data.image_borders import balanced_weights, weight_map
from stemsep.data.image_pairs import ImageSet, Pair, read_classes
from stemsep.data.images import read_mask, read_picture, resized
from stemsep.errors import DatasetError
from stemsep.models import ImageNetworkConfig
from stemsep.segmentation.predict import prepared

__all__ = ["Sample", "Samples"]

CACHE_BYTES = 1 << 30
"""As many pairs are kept in memory as fit in here."""


@dataclass(frozen=True)
class Sample:
    """One pair, at the network's scale.

    Args:
        picture: ``(channels, height, width)``, prepared for the network.
        classes: ``(height, width)``.
        weight: of each pixel in the loss, ``(height, width)``, where there is a weight map.
    """

    picture: NDArray[np.float32]
    classes: NDArray[np.uint8]
    weight: NDArray[np.float32] | None = None


class Samples:
    """The pairs of a set, read when they are wanted and kept as far as memory allows.

    Args:
        image_set: the pairs.
        config: of the network that they are for.
        border_weight: w_0 of the weight map for touching borders; 0: no map.

    Raises:
        DatasetError: a weight map is wanted, and a pair has no instances.
    """

    def __init__(
        self, image_set: ImageSet, config: ImageNetworkConfig, *, border_weight: float = 0.0
    ) -> None:
        self.image_set, self.config, self.border_weight = image_set, config, border_weight
        if border_weight:
            for pair in image_set.pairs:
                if pair.instances is None:
                    raise DatasetError(
                        f"the weight map needs instances/{pair.name}_instances.png beside imgs: a "
                        "mask with a number for each object"
                    )
        self.sizes = [
            (max(1, int(config.scale * height)), max(1, int(config.scale * width)))
            for height, width in image_set.sizes
        ]
        largest = max(height * width for height, width in self.sizes)
        fitting = CACHE_BYTES // (largest * (4 * config.unet.in_channels + 8))
        self._read = lru_cache(maxsize=max(1, fitting))(self._read_once)

    def __len__(self) -> int:
        return len(self.image_set.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Return a pair; its arrays are shared, so they must not be written to."""
        return self._read(index)

    def _read_once(self, index: int) -> Sample:
        pair = self.image_set.pairs[index]
        picture = prepared(read_picture(pair.image), self.config)
        classes = read_classes(pair, self.image_set)
        weight = self._weight(pair, classes) if self.border_weight else None
        height, width = picture.shape[1:]
        return Sample(
            picture,
            resized(classes, height, width, smooth=False),
            None if weight is None else resized(weight, height, width, smooth=False),
        )

    def _weight(self, pair: Pair, classes: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pair.instances is not None, "looked for at the start"  # noqa: S101
        instances: NDArray[Any] = read_mask(pair.instances).pixels
        if instances.shape != classes.shape:
            raise DatasetError(f"'{pair.instances}' has not the size of '{pair.mask}'")
        shares = np.array(self.image_set.shares)
        return weight_map(
            instances, classes, balanced_weights(shares), border_weight=self.border_weight
        )
