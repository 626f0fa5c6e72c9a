"""The bricks of the U-Net: one level's convolutions, and the ways down and up between levels.

All take and give ``(batch, channels, freq, time)`` (for pictures: height and width).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from stemsep.models.unet import UNetConfig

__all__ = ["BLOCKS", "Downsample", "Upsample", "activation", "fit_to", "norm"]


class DoubleConvolution(nn.Module):
    """Twice convolution, norm, activation (Ronneberger et al. 2015, figure 1)."""

    def __init__(self, inputs: int, outputs: int, middle: int, _freq: int, c: UNetConfig) -> None:
        super().__init__()
        self.first = _convolution(inputs, middle, c)
        self.second = _convolution(middle, outputs, c)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, outputs, freq, time)``."""
        result: Tensor = self.second(self.first(features))
        return result


class Residual(nn.Module):
    """Two convolutions plus a shortcut (He et al. 2016, arXiv 1512.03385), activation last."""

    def __init__(self, inputs: int, outputs: int, middle: int, _freq: int, c: UNetConfig) -> None:
        super().__init__()
        self.first = _convolution(inputs, middle, c)
        self.second = _convolution(middle, outputs, c, activate=False)
        self.shortcut = _shortcut(inputs, outputs)
        self.activation = activation(c)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, outputs, freq, time)``."""
        inner: Tensor = self.second(self.first(features))
        # Without padding the convolutions have lost a border that the shortcut still has.
        shortcut = fit_to(self.shortcut(features), *inner.shape[-2:])
        result: Tensor = self.activation(inner + shortcut)
        return result


class TfcTdf(nn.Module):
    """Two time-frequency convolutions around a linear bottleneck along frequency, plus a shortcut.

    Reference: W. Choi et al., "Investigating U-Nets with various intermediate blocks for
    spectrogram-based singing voice separation", ISMIR 2020 (arXiv 1912.02591); the order is that
    of TFC-TDF v3 (M. Kim et al., arXiv 2306.09382).
    """

    def __init__(self, inputs: int, outputs: int, middle: int, freq: int, c: UNetConfig) -> None:
        super().__init__()
        self.first = _convolution(inputs, middle, c)
        self.frequency = FrequencyBottleneck(middle, freq, c)
        self.second = _convolution(middle, outputs, c)
        self.shortcut = _shortcut(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, outputs, freq, time)``."""
        inner = self.first(features)
        inner = inner + self.frequency(inner)
        result: Tensor = self.second(inner) + self.shortcut(features)
        return result


class FrequencyBottleneck(nn.Module):
    """A linear layer down and one up along frequency, shared by all channels and frames (TDF)."""

    def __init__(self, channels: int, freq: int, c: UNetConfig) -> None:
        super().__init__()
        narrow = max(1, freq // c.tdf_factor)
        self.down = nn.Linear(freq, narrow, bias=False)
        self.down_norm = nn.Sequential(*norm(channels, c), activation(c))
        self.up = nn.Linear(narrow, freq, bias=False)
        self.up_norm = nn.Sequential(*norm(channels, c), activation(c))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, channels, freq, time)``."""
        narrow = self.down_norm(_along_frequency(self.down.weight, features))
        result: Tensor = self.up_norm(_along_frequency(self.up.weight, narrow))
        return result


# All are built with the same arguments; only the last needs the number of frequency bins.
BLOCKS = {"double": DoubleConvolution, "residual": Residual, "tfc_tdf": TfcTdf}


class Downsample(nn.Module):
    """Halve height and width: max-pooling, or a strided convolution that also widens."""

    def __init__(self, inputs: int, outputs: int, c: UNetConfig) -> None:
        super().__init__()
        self.layers: nn.Module
        if c.downsample == "maxpool":
            self.layers = nn.MaxPool2d(2)
            self.channels = inputs
        else:
            strided = nn.Conv2d(inputs, outputs, 2, stride=2, bias=c.norm == "none")
            self.layers = nn.Sequential(strided, *norm(outputs, c), activation(c))
            self.channels = outputs

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, self.channels, freq // 2, time // 2)``."""
        result: Tensor = self.layers(features)
        return result


class Upsample(nn.Module):
    """Double height and width: a transposed convolution, or bilinear with aligned corners.

    The transposed convolution also brings the channels to those of the skip; bilinear
    interpolation leaves them, except where the skip is added and they must be equal.
    """

    def __init__(self, inputs: int, skip_channels: int, c: UNetConfig) -> None:
        super().__init__()
        self.layers: nn.Module
        if c.upsample == "transposed":
            self.layers = nn.ConvTranspose2d(inputs, skip_channels, 2, stride=2)
            self.channels = skip_channels
        else:
            self.layers = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.channels = inputs
            if c.skip == "add" and inputs != skip_channels:
                self.layers = nn.Sequential(self.layers, nn.Conv2d(inputs, skip_channels, 1))
                self.channels = skip_channels

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, self.channels, 2 * freq, 2 * time)``."""
        result: Tensor = self.layers(features)
        return result


def fit_to(features: Tensor, height: int, width: int) -> Tensor:
    """Pad with zeros or crop, evenly on both sides, to the given height and width.

    Of an odd difference the smaller half goes to the top and left.
    """
    missing_h, missing_w = height - features.shape[-2], width - features.shape[-1]
    if missing_h == 0 and missing_w == 0:
        return features
    top, left = missing_h // 2, missing_w // 2
    return functional.pad(features, (left, missing_w - left, top, missing_h - top))


def _convolution(inputs: int, outputs: int, c: UNetConfig, activate: bool = True) -> nn.Sequential:
    padding = c.kernel_size // 2 if c.padding == "same" else 0
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, c.kernel_size, padding=padding, bias=c.norm == "none"),
        *norm(outputs, c),
    ]
    return nn.Sequential(*layers, activation(c)) if activate else nn.Sequential(*layers)


def _shortcut(inputs: int, outputs: int) -> nn.Module:
    return nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)


def norm(channels: int, c: UNetConfig) -> list[nn.Module]:
    """Return the configured norm of so many channels, if any."""
    if c.norm == "batch":
        return [nn.BatchNorm2d(channels)]
    if c.norm == "instance":
        return [nn.InstanceNorm2d(channels, affine=True)]
    if c.norm == "group":
        # A level with fewer channels than groups, or with an odd number, gets the largest number
        # of groups that divides its channels.
        groups = max(g for g in range(1, c.norm_groups + 1) if channels % g == 0)
        return [nn.GroupNorm(groups, channels)]
    return []


def activation(c: UNetConfig) -> nn.Module:
    """Return the configured activation."""
    activations: dict[str, nn.Module] = {
        "relu": nn.ReLU(inplace=True),
        "leaky_relu": nn.LeakyReLU(0.2, inplace=True),
        "elu": nn.ELU(inplace=True),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(inplace=True),
    }
    return activations[c.activation]


def _along_frequency(weight: Tensor, features: Tensor) -> Tensor:
    # With channels_last memory this flattening is free and the product is one large matrix each.
    channels, time = features.shape[1], features.shape[3]
    rows = features.permute(0, 2, 3, 1).flatten(2)  # (batch, freq, time * channels)
    # Not matmul, which turns both sides of the product in memory.
    product = torch.bmm(weight.expand(rows.shape[0], -1, -1), rows)  # (batch, new freq, …)
    return torch.unflatten(product, 2, (time, channels)).permute(0, 3, 1, 2)
