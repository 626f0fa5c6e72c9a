"""Magnitude -> masks: the U-Net with the sizes that tie it to sound.

Takes the magnitude ``(batch, channels, freq, time)`` of a mixture's STFT, gives masks
``(batch, stems, channels, freq, time)`` for every frequency bin. Applying them is the next stage,
`stemsep.separation.masking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError, check_choices
from stemsep.models.checks import check_sample_rate, checked_stems
from stemsep.models.unet import UNet, UNetConfig

__all__ = ["MaskNetwork", "MaskNetworkConfig", "extend_masks"]

EXTENSION_BINS = 64
"""How many of the highest trained bins the mask above them is the mean of (690 Hz at 4096)."""


@dataclass(frozen=True, kw_only=True)
class MaskNetworkConfig:
    """What a separation checkpoint has to say about its network.

    Args:
        stems: names of the stems, in the order of the network's output.
        sample_rate: Hz, of the sound that the network was trained on.
        n_bins: how many of the lowest frequency bins the network sees; the masks of the bins
            above are extended from its highest ones.
        stft: sizes of the transform.
        unet: the network; its ``stems`` must be the number of names.
        features: the magnitudes that it sees: of left and right, or of their half difference as
            well, which tells what is in the middle (the half sum follows from the three).
        spatial: whether `stemsep.separation.masking.filtered_stems` makes stems of the masks, by
            repetitions and places in stereo, in place of their product with the mixture. The loss
            of training is that of the product.

    Raises:
        ParameterError: parts that do not fit together.
    """

    stems: tuple[str, ...]
    sample_rate: int
    n_bins: int
    stft: STFTConfig
    unet: UNetConfig
    features: Literal["left_right", "left_right_side"] = "left_right"
    spatial: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", checked_stems(self.stems))
        if self.unet.stems != len(self.stems):
            raise ParameterError(f"stems = {self.stems}, but the U-Net gives {self.unet.stems}")
        check_choices(self)
        if self.unet.in_channels != self.n_features or self.unet.padding != "same":
            raise ParameterError(
                f"features = '{self.features}' need a U-Net of {self.n_features} channels in and "
                f"{self.unet.out_channels} out, and padding 'same'"
            )
        if self.spatial and not (self.unet.out_channels == 2 and self.sums_to_one):
            raise ParameterError("spatial = true needs softmax masks of two channels")
        check_sample_rate(self.sample_rate)
        if not 1 <= self.n_bins <= self.stft.n_freq:
            raise ParameterError(f"n_bins = {self.n_bins}: the STFT has {self.stft.n_freq}")
        if self.unet.fixed_height and self.n_bins > self.unet.freq_bins:
            raise ParameterError(
                f"n_bins = {self.n_bins}: the U-Net was built for {self.unet.freq_bins}"
            )

    @property
    def n_features(self) -> int:
        """Channels of the network's input."""
        return self.unet.out_channels if self.features == "left_right" else 3

    @property
    def time_stride(self) -> int:
        """Frames that one step of the lowest level spans."""
        return int(2 ** (self.unet.levels - 1))

    @property
    def sums_to_one(self) -> bool:
        """Whether the masks of a bin do."""
        return self.unet.head == "softmax"


class MaskNetwork(nn.Module):
    """A U-Net on the trained part of the spectrum, its masks extended to the whole of it."""

    def __init__(self, config: MaskNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config.unet)

    def forward(self, magnitude: Tensor, frames: slice | None = None) -> Tensor:
        """Return masks ``(batch, stems, channels, freq, time)``.

        Args:
            magnitude: ``(batch, n_features, freq, time)``, not negative.
            frames: those whose masks are wanted; see `UNet`.
        """
        masks: Tensor = self.unet(magnitude[..., : self.config.n_bins, :], frames)
        return extend_masks(masks, magnitude.shape[-2])


def extend_masks(masks: Tensor, n_freq: int) -> Tensor:
    """Return masks for ``n_freq`` bins: those above the given ones repeat the highest ones' mean.

    Without this, a network trained on the low part of the spectrum would cut all stems off there.

    Args:
        masks: ``(…, freq, time)``.
        n_freq: number of bins wanted, at least those that ``masks`` has.

    Raises:
        ParameterError: fewer bins wanted than there are.
    """
    missing = n_freq - masks.shape[-2]
    if missing < 0:
        raise ParameterError(f"masks of {masks.shape[-2]} bins cannot be extended to {n_freq}")
    if missing == 0:
        return masks
    # Turned, so that frames that lie together in memory go on to do so.
    frames = masks.movedim(-1, 0)
    top = frames[..., -EXTENSION_BINS:].mean(-1, keepdim=True)
    extended = torch.cat([frames, top.expand(*top.shape[:-1], missing)], dim=-1)
    return extended.movedim(0, -1)
