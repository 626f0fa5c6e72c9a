"""Picture -> mask: prepare, network, probabilities, classes. The image twin of the separator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stemsep.data.images import as_floats, normalised, resized, scaled_size
from stemsep.errors import ParameterError
from stemsep.models import ImageNetworkConfig, UNet
from stemsep.segmentation.tiles import overlap_tile, tile_config
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import load_image_network
from stemsep.weights.milesial import DEFAULT_SCALE, load_milesial

__all__ = ["Segmenter", "load_segmentation", "prepared", "shares", "warnings_about"]

TILE = 512
"""Pixels of a tile's kept part: a network of 64 channels then needs about a gigabyte."""

FEW, MANY = 0.05, 0.6
"""A foreground below or above these shares is worth a second look."""

Picture = NDArray[Any]


def load_segmentation(
    name_or_path: str | Path, *, scale: float | None = None
) -> tuple[UNet, ImageNetworkConfig]:
    """Return an image network and its configuration, from our format or milesial/Pytorch-UNet's.

    Args:
        name_or_path: ``.safetensors``, or a state dict ``.pth`` or ``.pt``.
        scale: instead of the stored one (which a state dict does not have).

    Raises:
        WeightsError: no such file, a damaged one, or a network that is not for pictures.
        ParameterError: a scale out of range.
    """
    if Path(name_or_path).suffix.lower() in (".pth", ".pt"):
        return load_milesial(Path(name_or_path), scale=DEFAULT_SCALE if scale is None else scale)
    network, config = load_image_network(find_checkpoint(name_or_path))
    return network, config if scale is None else replace(config, scale=scale)


@dataclass(frozen=True)
class Segmenter:
    """Finds the classes of a picture's pixels.

    Args:
        network: in evaluation mode.
        config: of the network.
        device: where it is.
        tta: the mean over the eight flips and quarter turns of each tile (the paper averages over
            seven rotations).
        tile: pixels of a tile; 0 for the picture in one piece.

    Example:
        >>> segmenter = Segmenter.from_pretrained("runs/images/best.safetensors")  # doctest: +SKIP
        >>> classes = segmenter.classes(segmenter.probabilities(picture))  # doctest: +SKIP
    """

    network: UNet
    config: ImageNetworkConfig
    device: str | torch.device = "cpu"
    tta: bool = False
    tile: int = TILE

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        scale: float | None = None,
        device: str | torch.device = "cpu",
        tta: bool = False,
        tile: int = TILE,
    ) -> Segmenter:
        """Return a segmenter with the network of a file; see `load_segmentation`."""
        network, config = load_segmentation(name_or_path, scale=scale)
        return cls(network.to(device), config, device, tta=tta, tile=tile)

    @torch.inference_mode()
    def logits(
        self,
        picture: Picture,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Tensor:
        """Return the network's ``(outputs, height, width)`` at the size of the picture.

        With ``tta`` the logits of the mean probabilities.

        Args:
            picture: ``(channels, height, width)``, one or three channels, any depth.
            progress: called with the tiles done and their number.

        Raises:
            ParameterError: a scale that leaves no pixel.
        """
        ready = torch.from_numpy(prepared(picture, self.config))
        unet = self.config.unet
        result = overlap_tile(
            self._averaged if self.tta else self._run,
            ready,
            config=tile_config(unet),
            tile=self.tile,
            progress=progress,
        )
        if result.shape[1:] != picture.shape[1:]:
            result = functional.interpolate(
                result[None], size=picture.shape[1:], mode="bilinear", align_corners=False
            )[0]
        return result

    def probabilities(self, logits: Tensor) -> NDArray[np.float32]:
        """Return the probability ``(classes, height, width)`` of each class, which sum to one."""
        if len(logits) > 1:
            return np.asarray(logits.softmax(0).numpy())
        foreground = logits[0].sigmoid()
        return np.asarray(torch.stack([1 - foreground, foreground]).numpy())

    def classes(self, logits: Tensor, *, threshold: float = 0.5) -> NDArray[np.uint8]:
        """Return the class numbers ``(height, width)``.

        Args:
            logits: of `logits`.
            threshold: of two classes, the second is taken where its probability is above this.

        Raises:
            ParameterError: a threshold out of range, or one for more than two classes.
        """
        if not 0 < threshold < 1:
            raise ParameterError(f"mask threshold {threshold}: it must be between 0 and 1")
        if self.config.classes > 2 and threshold != 0.5:
            raise ParameterError(
                f"a mask threshold is for two classes, this network has {self.config.classes}"
            )
        if len(logits) > 2:
            return np.asarray(logits.argmax(0).to(torch.uint8).numpy())
        margin = logits[0] if len(logits) == 1 else logits[1] - logits[0]
        limit = float(torch.logit(torch.tensor(threshold, dtype=torch.float64)))
        return np.asarray((margin > limit).to(torch.uint8).numpy())

    def _run(self, tile: Tensor) -> Tensor:
        output: Tensor = self.network(tile.to(self.device))
        return output

    def _averaged(self, tile: Tensor) -> Tensor:
        """Return logits of the probabilities' mean over all flips and quarter turns."""
        likely = []
        for turns in range(4):
            for flip in (False, True):
                seen = torch.rot90(tile.flip(-1) if flip else tile, turns, (-2, -1))
                output = torch.rot90(self._run(seen), -turns, (-2, -1))
                output = output.flip(-1) if flip else output
                likely.append(output.softmax(1) if output.shape[1] > 1 else output.sigmoid())
        mean = torch.stack(likely).mean(0).clamp(1e-6, 1 - 1e-6)
        return mean.log() if mean.shape[1] > 1 else mean.logit()


def prepared(picture: Picture, config: ImageNetworkConfig) -> NDArray[np.float32]:
    """Return what the network sees of a picture: its channels, its size, its range of values.

    Args:
        picture: ``(channels, height, width)``, any depth.
        config: of the network.
    """
    height, width = scaled_size(picture.shape[1], picture.shape[2], config.scale)
    floats = as_floats(resized(picture, height, width, smooth=True))
    wanted = config.unet.in_channels
    if len(floats) < wanted:
        floats = np.repeat(floats, wanted, axis=0)
    elif len(floats) > wanted:  # brightness as in ITU-R BT.601
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
        floats = np.tensordot(weights, floats, axes=1)[None]
    return normalised(floats) if config.normalise == "picture" else floats


def shares(classes: NDArray[np.uint8], count: int) -> list[float]:
    """Return the share of the pixels that each class has."""
    counts = np.bincount(classes.ravel(), minlength=count)
    return (counts / classes.size).tolist()  # type: ignore[no-any-return]


def warnings_about(shares: Sequence[float], mask_values: Sequence[Any]) -> str:
    """Return what is suspicious about the shares of a mask's classes, empty if nothing is."""
    for share, value in zip(shares, mask_values, strict=True):
        if share == 1:
            return (
                f"every pixel is {value}: is the scale the one trained with, and was the training "
                "long enough?"
            )
    if len(shares) == 2 and not FEW <= shares[1] <= MANY:
        few = shares[1] < FEW
        return (
            f"{mask_values[1]} covers {'only ' if few else ''}{100 * shares[1]:.1f} % of the "
            f"picture; look at it with --viz"
        )
    return ""
