"""Spleeter's network: a U-Net of its own order, one for each stem, with the interface of `UNet`.

It differs from the core in ways that would bend it: the skips and the way down carry the raw
convolutions, the decoder normalises after the activation, and TensorFlow's "same" padding is
uneven where the stride is 2. Written from the facts of the published checkpoints (variable names,
shapes) and of the program's outputs.

TensorFlow's kernels are ``(time, freq)``, ours ``(freq, time)``: a converted checkpoint has both
axes of each kernel exchanged.

Reference: R. Hennequin et al., "Spleeter: a fast and efficient music source separation tool with
pre-trained models", JOSS 5(50), 2020; A. Jansson et al., ISMIR 2017 (the network's shape).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError, check_choices
from stemsep.models.checks import check_bins, checked_stems
from stemsep.models.mask_network import extend_masks

__all__ = ["SPLEETER_MODELS", "Spleeter", "SpleeterConfig", "ratio_masks"]

Activation = Literal["leaky_relu", "relu", "elu"]
Head = Literal["sigmoid", "softmax"]

AUDIO_CHANNELS = 2
WIDTHS = (16, 32, 64, 128, 256, 512)
DROPPED_LEVELS = 3
"""How many of the decoder's levels have dropout."""

EPSILON = 1e-10
"""Energy that silence counts as, so that the masks of a silent bin share alike."""


@dataclass(frozen=True, kw_only=True)
class SpleeterConfig:
    """What differs between the published models.

    Args:
        stems: names of the stems, in the order of the output.
        encoder_activation: on the way down; ``leaky_relu`` has a slope of 0.2.
        decoder_activation: on the way up.
        head: a sigmoid of each stem, or a softmax over the stems.
        sample_rate: Hz, of the sound that the network was trained on.
        n_bins: how many of the lowest frequency bins the network sees.
        stft: sizes of the transform.

    Raises:
        ParameterError: no stem, or a value outside its choices or range.
    """

    stems: tuple[str, ...] = ("vocals", "drums", "bass", "other")
    encoder_activation: Activation = "elu"
    decoder_activation: Activation = "elu"
    head: Head = "sigmoid"
    sample_rate: int = 44100
    n_bins: int = 1024
    stft: STFTConfig = field(default_factory=STFTConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", checked_stems(self.stems))
        check_bins(self.n_bins, self.sample_rate, self.stft)
        check_choices(self)

    @property
    def n_features(self) -> int:
        """Channels of the network's input."""
        return AUDIO_CHANNELS

    @property
    def time_stride(self) -> int:
        """Frames that one step of the lowest level spans."""
        return int(2 ** len(WIDTHS))

    @property
    def sums_to_one(self) -> bool:
        """Whether the masks of a bin do."""
        return True

    @property
    def spatial(self) -> bool:
        """Whether the masks go through a filter of repetitions and places, unless asked for."""
        return False


SPLEETER_MODELS = {
    "2stems": SpleeterConfig(
        stems=("vocals", "accompaniment"),
        encoder_activation="leaky_relu",
        decoder_activation="relu",
    ),
    "4stems": SpleeterConfig(),
    "5stems": SpleeterConfig(stems=("vocals", "piano", "drums", "bass", "other"), head="softmax"),
}
"""The published models by their own names."""


class Spleeter(nn.Module):
    """One `StemNetwork` for each stem, side by side, and the head over their outputs.

    Any height and width of 1 or more: the input is padded with zeros at the bottom and right to a
    multiple of 64, and the output cropped.
    """

    def __init__(self, config: SpleeterConfig) -> None:
        super().__init__()
        self.config = config
        self.networks = nn.ModuleList(StemNetwork(config) for _ in config.stems)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return ratio masks ``(batch, stems, 2, freq, time)`` that sum to one.

        The masks of the bins that the network does not see are extended from its highest ones.

        Args:
            magnitude: ``(batch, 2, freq, time)``, not negative, not scaled.

        Raises:
            ParameterError: another number of channels, or an empty axis.
        """
        estimates = self.estimate(magnitude[..., : self.config.n_bins, :])
        return extend_masks(ratio_masks(estimates), magnitude.shape[-2])

    def estimate(self, magnitude: Tensor) -> Tensor:
        """Return the published network's output, each stem's magnitude, shaped like the masks.

        Args:
            magnitude: ``(batch, 2, freq, time)`` of the bins that the network sees.

        Raises:
            ParameterError: another number of channels, or an empty axis.
        """
        if magnitude.ndim != 4 or magnitude.shape[1] != AUDIO_CHANNELS or 0 in magnitude.shape:
            raise ParameterError(
                f"the network takes (batch, {AUDIO_CHANNELS}, freq, time), "
                f"got {tuple(magnitude.shape)}"
            )
        height, width = magnitude.shape[-2:]
        multiple = 2 ** len(WIDTHS)
        padded = functional.pad(magnitude, (0, -width % multiple, 0, -height % multiple))
        logits = torch.stack([network(padded) for network in self.networks], dim=1)
        logits = logits[..., :height, :width]
        if logits.dtype.itemsize < 4:
            logits = logits.float()  # masks keep full precision under autocast
        gains = logits.softmax(1) if self.config.head == "softmax" else logits.sigmoid()
        return gains * magnitude[:, None]


def ratio_masks(estimates: Tensor) -> Tensor:
    """Return each stem's share of the energy, ``(batch, stems, channels, freq, time)``.

    ``mask_k = (e_k² + ε / stems) / (Σ_j e_j² + ε)``; together they are one.

    Args:
        estimates: magnitudes, ``(batch, stems, channels, freq, time)``.
    """
    energy = estimates.square()
    return (energy + EPSILON / energy.shape[1]) / (energy.sum(1, keepdim=True) + EPSILON)


class StemNetwork(nn.Module):
    """The U-Net of one stem: six levels of 5 x 5 convolutions of stride 2, and back.

    The last encoder norm feeds nothing, as in the published network; it is here so that each
    variable of a published checkpoint has its place.
    """

    def __init__(self, config: SpleeterConfig) -> None:
        super().__init__()
        # The top of the decoder has one channel; the others those of the skip beside them,
        # which doubles what the next one takes.
        outputs = (*WIDTHS[-2::-1], 1)
        inputs = (WIDTHS[-1], *(2 * width for width in outputs[:-1]))
        downs = pairwise((AUDIO_CHANNELS, *WIDTHS))
        self.encoder = nn.ModuleList(nn.Conv2d(i, o, 5, stride=2) for i, o in downs)
        self.encoder_norms = nn.ModuleList(_norm(width) for width in WIDTHS)
        ups = zip(inputs, outputs, strict=True)
        self.decoder = nn.ModuleList(nn.ConvTranspose2d(i, o, 5, stride=2) for i, o in ups)
        self.decoder_norms = nn.ModuleList(_norm(width) for width in outputs)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Conv2d(1, AUDIO_CHANNELS, 4, dilation=2, padding=3)
        self.encoder_activation = _activation(config.encoder_activation)
        self.decoder_activation = _activation(config.decoder_activation)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return logits ``(batch, 2, freq, time)``; freq and time are multiples of 64."""
        skips: list[Tensor] = []
        features = magnitude
        for convolution, norm in zip(self.encoder, self.encoder_norms, strict=True):
            if skips:
                features = self.encoder_activation(features)
            # TensorFlow's "same" of an even size: one before, two after.
            raw = convolution(functional.pad(features, (1, 2, 1, 2)))
            skips.append(raw)
            features = norm(raw) if len(skips) < len(self.encoder) else raw
        skips.pop()  # the decoder starts from it, raw

        for level, (up, norm) in enumerate(zip(self.decoder, self.decoder_norms, strict=True)):
            if level:
                features = torch.cat([skips.pop(), features], 1)
            features = up(features)[..., 1:-2, 1:-2]  # the same padding turned round
            features = norm(self.decoder_activation(features))
            if level < DROPPED_LEVELS:
                features = self.dropout(features)
        result: Tensor = self.head(features)
        return result


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # TensorFlow's 0.99, counted our way


def _activation(name: Activation) -> nn.Module:
    return {"leaky_relu": nn.LeakyReLU(0.2), "relu": nn.ReLU(), "elu": nn.ELU()}[name]
