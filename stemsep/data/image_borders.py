"""The 2015 paper's weight map: pixels between touching objects count more in the loss.

::

    w(x) = w_c(x) + w_0 exp(-(d_1(x) + d_2(x))² / (2 σ²))

w_c balances the classes; d_1 and d_2 are the distances to the border of the nearest and the second
nearest object.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015 (arXiv 1505.04597), equation 2, with w_0 = 10 and σ of about 5 pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["BORDER_WEIGHT", "SIGMA", "balanced_weights", "border_distances", "weight_map"]

BORDER_WEIGHT = 10.0
SIGMA = 5.0

REACH = 7
"""Deviations beyond which distances are not computed: the exponential is below 1e-10 there."""


def weight_map(
    instances: NDArray[np.integer[Any]],
    classes: NDArray[np.integer[Any]],
    class_weights: NDArray[np.float64],
    *,
    border_weight: float = BORDER_WEIGHT,
    sigma: float = SIGMA,
) -> NDArray[np.float32]:
    """Return the weight ``(height, width)`` of each pixel in the loss.

    Args:
        instances: 0 for the background, a number of its own for each object.
        classes: class numbers, of the same shape.
        class_weights: w_c of each class; see `balanced_weights`.
        border_weight: w_0.
        sigma: pixels.
    """
    first, second = border_distances(instances, reach=REACH * sigma)
    between = border_weight * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return np.asarray(class_weights[classes] + between, dtype=np.float32)


def balanced_weights(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a weight for each class so that all count alike and the mean over all pixels is 1.

    Args:
        shares: of all pixels, by class.
    """
    present = shares > 0
    return np.where(present, 1 / (present.sum() * np.where(present, shares, 1)), 0.0)


def border_distances(
    instances: NDArray[np.integer[Any]], *, reach: float = np.inf
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances, in pixels, to the border of the nearest and second nearest object.

    Args:
        instances: 0 for the background, a number of its own for each object.
        reach: distances beyond this may be told as infinite.

    Returns:
        ``(height, width)`` each; from inside an object to the nearest pixel outside it, from
        outside to its nearest pixel. Infinite where there are not that many objects.
    """
    first = np.full(instances.shape, np.inf)
    second = first.copy()
    margin = int(min(reach, sum(instances.shape))) + 1
    for number, found in enumerate(ndimage.find_objects(instances.astype(np.int64)), start=1):
        if found is None:
            continue
        window = tuple(slice(max(0, axis.start - margin), axis.stop + margin) for axis in found)
        inside = instances[window] == number
        # Each is 0 where the other is not.
        distance = ndimage.distance_transform_edt(inside)
        distance += ndimage.distance_transform_edt(~inside)
        near, far = first[window], second[window]
        second[window] = np.minimum(far, np.maximum(near, distance))
        first[window] = np.minimum(near, distance)
    return first, second
