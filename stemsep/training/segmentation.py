"""The task of segmentation: crops of pictures -> logits -> loss, and Dice on whole pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from stemsep.data.image_augment import AugmentConfig, Layer, source_places, varied_light, warped
from stemsep.data.image_pairs import ImageSet, Pair, read_classes
from stemsep.data.images import read_picture
from stemsep.models import ImageNetworkConfig, UNet, count_parameters
from stemsep.plotting.preview import Example, preview
from stemsep.segmentation.metrics import MaskScores, confusion, dice, mask_scores
from stemsep.segmentation.predict import Segmenter
from stemsep.segmentation.tiles import tile_config
from stemsep.training.image_losses import Loss, segmentation_loss
from stemsep.training.image_samples import Samples
from stemsep.weights.checkpoint import Card, save_network

__all__ = ["SegmentationTask"]

REFRESHES = 8
"""Batches that the statistics of batch norms are measured on."""

SHOWN = 6
"""Validation pictures in a preview."""


class SegmentationTask:
    """Train a `UNet` on crops of pictures; see `stemsep.training.task.Task`.

    Each epoch sees every picture once, in an order of its own.

    Args:
        config: of the network.
        network: what to go on from; None: a new one, drawn from ``seed``.
        train: pairs to learn from.
        valid: pairs to score on.
        crop: height and width of what is cut out of a picture, at the network's scale; larger than
            all pictures, they are taken whole (and mirrored to the largest).
        batch_size: examples of a step.
        loss: see `segmentation_loss`.
        pos_weight: likewise.
        border_weight: see `Samples`.
        augment: how crops are varied.
        seed: of everything random.
        card: what checkpoints say about themselves, apart from steps and scores.
    """

    def __init__(
        self,
        config: ImageNetworkConfig,
        *,
        network: UNet | None = None,
        train: ImageSet,
        valid: ImageSet,
        crop: int,
        batch_size: int,
        loss: Loss,
        pos_weight: float,
        border_weight: float,
        augment: AugmentConfig,
        seed: int,
        card: Card,
    ) -> None:
        torch.manual_seed(seed)
        self.config, self.valid, self.card = config, valid, card
        self.network: nn.Module = network or _initialised(UNet(config.unet))
        self.samples = Samples(train, config, border_weight=border_weight)
        self.crop = min(crop, max(max(size) for size in self.samples.sizes))
        self.batch_size, self.seed, self.augment = batch_size, seed, augment
        self.kind, self.pos_weight = loss, pos_weight
        tiles = tile_config(config.unet)
        self.lost, self.extra = tiles.lost, tiles.extra
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def described(self) -> str:
        """Return one line about the network and its crops."""
        unet = self.config.unet
        return (
            f"U-Net of {unet.channels} channels, {unet.in_channels} in, {unet.out_channels} out: "
            f"{count_parameters(self.network):,} parameters; crops of {self.crop} x {self.crop}"
        )

    def batch(self, step: int, examples: range) -> tuple[Tensor, ...]:
        """Return pictures ``(n, channels, …)``, classes ``(n, crop, crop)``, perhaps weights.

        For a network without padding the pictures are larger by what it loses.
        """
        drawn = [self._example(step, place) for place in examples]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))

    def sources(self, step: int, examples: range) -> Sequence[str]:
        """Return the pictures that these examples are cut from."""
        return [str(self._pair(step, place).image) for place in examples]

    def loss(self, network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the loss of a batch."""
        picture, target, *weight = batch
        logits = network(picture)[..., : self.crop, : self.crop]
        return segmentation_loss(
            logits,
            target,
            kind=self.kind,
            pos_weight=self.pos_weight,
            weight=weight[0] if weight else None,
        )

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return Dice, IoU and pixel error on the validation pictures, whole and at full size.

        ``score`` and ``dice`` leave the commonest class out; ``constant_dice`` and
        ``constant_pixel_error`` are those of the best constant prediction. The statistics of batch
        norms are measured anew before: those gathered on the way lag behind the averaged weights.
        """
        self._refresh_norms(network)
        found = self.mask_scores(network)
        others = [c for c in range(self.config.classes) if c != found.background]
        told = {
            "score": found.score,
            "dice": found.score,
            "iou": _mean([found.iou[c] for c in others]),
            "pixel_error": found.pixel_error,
            "constant_dice": found.constant_score,
            "constant_pixel_error": found.constant_pixel_error,
            "pictures": float(found.pictures),
        }
        for value, one_dice, one_iou in zip(
            self.config.mask_values, found.dice, found.iou, strict=True
        ):
            if not math.isnan(one_dice):
                told |= {f"dice of {value}": one_dice, f"iou of {value}": one_iou}
        return told

    def mask_scores(self, network: nn.Module) -> MaskScores:
        """Return the scores on the validation pictures."""
        return mask_scores([self._confusion(example) for example in self._predicted(network)])

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        """Write a checkpoint with its scores."""
        values = {name: round(value, 4) for name, value in scores.items()}
        measured = {"measure": "Dice", "data": "validation pictures", **values}
        card = replace(self.card, steps=step, scores=(*self.card.scores, measured))
        save_network(path, network.state_dict(), self.config, card)

    def pictures(self, network: nn.Module) -> Mapping[str, NDArray[np.uint8]]:
        """Return a preview of some validation pictures."""
        return {"validation": np.asarray(preview(self.examples(network)))}

    def examples(self, network: nn.Module) -> list[Example]:
        """Return some validation pictures with their predictions and Dice."""
        shown = []
        for example in self._predicted(network, SHOWN):
            scores = dice(self._confusion(example))
            common = int(np.bincount(example.truth.ravel()).argmax())
            judged = _mean([score for c, score in enumerate(scores) if c != common])
            shown.append(replace(example, note=f"Dice {judged:.3f}"))
        return shown

    def _refresh_norms(self, network: nn.Module) -> None:
        """Measure the statistics of batch norms with the weights as they are now.

        Reference: P. Izmailov et al., "Averaging weights leads to wider optima and better
        generalization", UAI 2018 (arXiv 1803.05407), section 3.2.
        """
        device = next(network.parameters()).device
        batches = (
            self.batch(step, range(self.batch_size))[0].to(device) for step in range(REFRESHES)
        )
        update_bn(batches, network)

    def _predicted(self, network: nn.Module, most: int | None = None) -> list[Example]:
        assert isinstance(network, UNet), "tasks train what they built"  # noqa: S101
        device = next(network.parameters()).device
        segmenter = Segmenter(network, self.config, device)
        result = []
        for pair in self.valid.pairs[:most]:
            picture = read_picture(pair.image)
            classes = segmenter.classes(segmenter.logits(picture))
            result.append(Example(pair.name, picture, read_classes(pair, self.valid), classes))
        return result

    def _confusion(self, example: Example) -> NDArray[np.int64]:
        return confusion(
            estimate=example.estimate, reference=example.truth, classes=self.config.classes
        )

    def _pair(self, step: int, place: int) -> Pair:
        return self.samples.image_set.pairs[self._index(step, place)]

    def _index(self, step: int, place: int) -> int:
        epoch, position = divmod(step * self.batch_size + place, len(self.samples))
        return int(self._order(epoch)[position])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.samples))

    def _example(self, step: int, place: int) -> list[NDArray[np.generic]]:
        random = np.random.default_rng([self.seed, step, place])
        sample = self.samples[self._index(step, place)]
        height, width = sample.classes.shape
        window = self.crop + 2 * self.lost + self.extra
        places = source_places(
            self.augment,
            random,
            source=(height, width),
            centre=(self._centre(random, height, window), self._centre(random, width, window)),
            size=(window, window),
        )
        kept = slice(self.lost, self.lost + self.crop)
        (picture,) = warped([Layer(sample.picture)], places)
        layers = [Layer(sample.classes.astype(np.int64), smooth=False)]
        if sample.weight is not None:
            layers.append(Layer(sample.weight))
        targets = warped(layers, places[:, kept, kept])
        return [varied_light(picture, self.augment, random).astype(np.float32), *targets]

    def _centre(self, random: np.random.Generator, size: int, window: int) -> float:
        """Return where the middle of a window goes, so that the crop lies inside and on pixels."""
        free = size - self.crop
        start = int(random.integers(0, free + 1)) if free > 0 else free // 2
        return start - self.lost + (window - 1) / 2


def _initialised(network: UNet) -> UNet:
    """Draw the convolutions' weights as the 2015 paper does: Gaussian, deviation sqrt(2 / inputs).

    With a norm behind them their size hardly matters; without one it does.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are numbers, 0 if none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / max(1, len(numbers))
