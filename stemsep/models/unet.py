"""The U-Net core: one network for spectrogram masks and for pixel masks.

Takes ``(batch, channels, freq, time)`` (for pictures: height and width), gives masks or logits.
Every published and shipped U-Net of stemsep is a `UNetConfig` of this module. No loss, no files,
no choice of device here.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical
Image Segmentation", MICCAI 2015 (arXiv 1505.04597).

::

    input ─ block ──────────────── skip ──────────────── block ─ head ─ output
              └ down ─ block ───── skip ───── block ─ up ┘
                         └ down ─ block ─ up ─┘
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.errors import ParameterError, check_choices
from stemsep.models.blocks import BLOCKS, Downsample, Upsample, fit_to
from stemsep.models.context import FrameContext, Presence, TimeContext

__all__ = ["UNet", "UNetConfig"]

PRESENCE_POWER = 8.0
"""Masks are multiplied by the probability that their stem is heard, to this power."""
PRESENCE_MARGIN = 2.5
"""In doubt a stem is heard: what is silenced by mistake is worse than what leaks. With this much
more in the logits of the probabilities, one of 1 % counts as 11 %."""


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Every switch of the U-Net; each can be set on its own.

    Args:
        in_channels: channels of the input (audio channels, or colours).
        out_channels: channels of the output (audio channels of a mask, or classes).
        stems: number of stems; 0 for pictures, whose output has no stem axis.
        channels: width of each level, the top first.
        activation: ``leaky_relu`` has a slope of 0.2.
        norm: ``group`` uses ``norm_groups``.
        norm_groups: groups of a group norm.
        downsample: max-pooling or a convolution of stride 2.
        upsample: transposed convolution or bilinear interpolation (which halves the widths of the
            decoder, as in milesial/Pytorch-UNet).
        padding: ``valid`` is the paper's: no padding, the output is smaller than the input.
        block: the layers of one level; ``tfc_tdf`` needs ``freq_bins``.
        kernel_size: odd, of the blocks' convolutions.
        dropout: probability at the end of the contracting path.
        skip: whether the decoder concatenates or adds the encoder's features.
        head: what the output is: raw logits; sigmoid; softmax over the stems (over the classes
            where there are no stems); complex masks, unbounded or with each part through tanh.
        subbands: the frequency axis is cut into this many bands, stacked as channels.
        freq_bins: height of the input, where it is fixed; a lower input is padded.
        tdf_factor: how much narrower the bottleneck along frequency is.
        time_dilations: at the lowest level, one residual block of convolutions along time for each;
            a dilation of d sees d frames of that level to both sides.
        frame_width: at the lowest level, all channels and rows of a frame become a vector of this
            length, which goes through ``time_dilations`` of its own; 0 for none. It needs
            ``freq_bins``.
        frame_sequence: what sees all of these vectors at once, after the convolutions: a
            bidirectional LSTM, self-attention, or nothing. It sees as far as the input goes: where
            a song is cut into chunks shows in the result.
        presence: at the lowest level, a part of this width tells from the whole of the input which
            stems are heard at all; 0 for none. It needs ``freq_bins`` and the head ``softmax``. The
            logarithms of its probabilities, after ``PRESENCE_MARGIN`` and times ``PRESENCE_POWER``,
            are added to the logits of the masks.
        compression: c in ``log(1 + c x)``, applied to the input; 0 leaves the input as it is.

    Raises:
        ParameterError: a value outside its choices or range.
    """

    in_channels: int = 3
    out_channels: int = 2
    stems: int = 0
    channels: tuple[int, ...] = (64, 128, 256, 512, 1024)
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu"] = "relu"
    norm: Literal["batch", "instance", "group", "none"] = "batch"
    norm_groups: int = 8
    downsample: Literal["maxpool", "strided"] = "maxpool"
    upsample: Literal["transposed", "bilinear"] = "transposed"
    padding: Literal["same", "valid"] = "same"
    block: Literal["double", "residual", "tfc_tdf"] = "double"
    kernel_size: int = 3
    dropout: float = 0.0
    skip: Literal["concat", "add"] = "concat"
    head: Literal["logits", "sigmoid", "softmax", "complex", "complex_tanh"] = "logits"
    subbands: int = 1
    freq_bins: int = 0
    tdf_factor: int = 4
    time_dilations: tuple[int, ...] = ()
    frame_width: int = 0
    frame_sequence: Literal["none", "lstm", "attention"] = "none"
    presence: int = 0
    compression: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "time_dilations", tuple(self.time_dilations))
        check_choices(self)
        self._check_ranges()
        if not self.channels or min(self.channels) < 1:
            raise ParameterError(f"channels = {self.channels}: give one positive width per level")
        if self.upsample == "bilinear" and min(self.channels) < 2:
            raise ParameterError(f"channels = {self.channels}: bilinear halves them; use 2 or more")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ParameterError(f"kernel_size = {self.kernel_size}: it must be odd and positive")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout = {self.dropout}: it must be at least 0 and below 1")
        if self.fixed_height and (self.freq_bins < 1 or self.padding == "valid"):
            wide = "frame_width" if self.frame_width else "presence"
            switch = "block = 'tfc_tdf'" if self.block == "tfc_tdf" else wide
            raise ParameterError(f"{switch} needs freq_bins above 0 and padding 'same'")
        if self.frame_sequence != "none" and not self.frame_width:
            raise ParameterError(f"frame_sequence = '{self.frame_sequence}' needs frame_width")
        if self.presence and not (self.stems and self.head == "softmax"):
            raise ParameterError(f"presence = {self.presence} needs stems and head = 'softmax'")
        if self.time_dilations and self.padding == "valid":
            raise ParameterError("time_dilations need padding 'same'")

    def _check_ranges(self) -> None:
        for name in ("in_channels", "out_channels", "norm_groups", "subbands", "tdf_factor"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 1 or more")
        for name in ("stems", "freq_bins", "frame_width", "presence", "compression"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 0 or more")
        if min(self.time_dilations, default=1) < 1:
            raise ParameterError(f"time_dilations = {self.time_dilations}: each must be 1 or more")

    @property
    def fixed_height(self) -> bool:
        """Whether some layer is built for ``freq_bins``."""
        return self.block == "tfc_tdf" or self.frame_width > 0 or self.presence > 0

    @property
    def levels(self) -> int:
        """Number of levels, the top one included."""
        return len(self.channels)


class UNet(nn.Module):
    """Encoder and decoder with skips between levels of equal size, as `UNetConfig` says.

    Any height and width of 1 or more; only ``padding="valid"`` needs a minimum, which its error
    names, and where the height is fixed it is at most ``freq_bins``. An input smaller than the
    lowest level's stride is padded with zeros and the output cropped; sizes that are odd at some
    level are rounded down there and the decoder is padded to its skip (as in milesial/Pytorch-UNet,
    so that its weights give its output).
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        block, widths = BLOCKS[config.block], config.channels
        # Bilinear interpolation cannot narrow the features, so the block below does it.
        halving = 2 if config.upsample == "bilinear" else 1
        band = _level_size(-(-config.freq_bins // config.subbands), config)
        freq = [band >> level for level in range(len(widths))]

        inputs = config.in_channels * config.subbands
        encoder, downs = [], []
        for level, width in enumerate(widths):
            if level:
                downs.append(Downsample(inputs, width, config))
                inputs = downs[-1].channels
            outputs = width // halving if level and level == len(widths) - 1 else width
            encoder.append(block(inputs, outputs, outputs, freq[level], config))
            inputs = outputs
        context: list[nn.Module] = [
            TimeContext(inputs, dilation, config) for dilation in config.time_dilations
        ]
        if config.frame_width:
            context.append(FrameContext(inputs, freq[-1], config))
        lowest = inputs

        decoder, ups = [], []
        for level in reversed(range(len(widths) - 1)):
            ups.append(Upsample(inputs, widths[level], config))
            merged = widths[level] + (ups[-1].channels if config.skip == "concat" else 0)
            outputs = widths[level] // (halving if level else 1)
            middle = merged // 2 if halving == 2 and config.skip == "concat" else outputs
            decoder.append(block(merged, outputs, middle, freq[level], config))
            inputs = outputs

        self.encoder, self.downs = nn.ModuleList(encoder), nn.ModuleList(downs)
        self.decoder, self.ups = nn.ModuleList(decoder), nn.ModuleList(ups)
        self.context, self.dropout = nn.Sequential(*context), nn.Dropout(config.dropout)
        parts = 2 if config.head.startswith("complex") else 1
        outputs = max(1, config.stems) * parts * config.out_channels * config.subbands
        self.head = nn.Conv2d(inputs, outputs, 1)
        if config.presence:  # last, so that all else starts from the weights that it has without
            self.presence = Presence(lowest, freq[-1], config)

    def forward(self, features: Tensor, frames: slice | None = None) -> Tensor:
        """Return masks or logits.

        Args:
            features: ``(batch, in_channels, freq, time)``.
            frames: which of the output's are wanted, from a start to a stop; None is all of them.
                The last block and the head, which are a good part of the work, skip the others.

        Returns:
            ``(batch, stems, out_channels, freq, time)``, without the stem axis where ``stems`` is
            0; complex for the complex heads; ``padding="valid"`` gives a smaller height and width.

        Raises:
            ParameterError: wrong number of channels, or a size that the network cannot take.
        """
        config = self.config
        if features.ndim != 4 or features.shape[1] != config.in_channels or 0 in features.shape:
            raise ParameterError(
                f"the network takes (batch, {config.in_channels}, freq, time), "
                f"got {tuple(features.shape)}"
            )
        margin = _margin(config)
        height, width = features.shape[-2] - margin, features.shape[-1] - margin
        skips = self._encode(features)
        bias: Tensor = self.head.bias  # type: ignore[assignment]
        if config.presence:
            bias = bias + self._presence_bias(self.presence(skips[-1]))
        outputs = self._outputs(self._decode(skips, frames or slice(0, width)), bias)
        return self._activate(outputs[..., :height]).movedim(1, -1)

    def heard(self, features: Tensor) -> Tensor:
        """Return the logits of the probabilities that stems are heard, ``(batch, stems)``.

        Args:
            features: as of `forward`; the network must have ``presence``.
        """
        return self.presence(self._encode(features)[-1])  # type: ignore[no-any-return]

    def _presence_bias(self, heard: Tensor) -> Tensor:
        """Return what probabilities add to each of the head's outputs, ``(batch, outputs)``."""
        likely = PRESENCE_POWER * functional.logsigmoid(heard + PRESENCE_MARGIN)
        return likely.repeat_interleave(self.head.out_channels // self.config.stems, dim=1)

    def _encode(self, features: Tensor) -> list[Tensor]:
        """Return the features of all levels, the top first."""
        config = self.config
        if config.compression:
            features = torch.log1p(config.compression * features)
        features = _split_bands(self._pad(features), config)
        skips = [self.encoder[0](features)]
        for down, block in zip(self.downs, self.encoder[1:], strict=True):
            skips.append(block(down(skips[-1])))
        skips[-1] = self.dropout(self.context(skips[-1]))
        return skips

    def _decode(self, skips: list[Tensor], frames: slice) -> Tensor:
        features, config = skips.pop(), self.config
        for up, block in zip(self.ups, self.decoder, strict=True):
            features, skip = up(features), skips.pop()
            if config.padding == "same":
                features = fit_to(features, *skip.shape[-2:])
            else:
                skip = fit_to(skip, *features.shape[-2:])
            if not skips:
                seen = self._seen_frames(frames)
                features, skip = features[..., seen], skip[..., seen]
                frames = slice(frames.start - seen.start, frames.stop - seen.start)
            added = config.skip == "add"
            features = block(skip + features if added else torch.cat([skip, features], 1))
        return features[..., frames]

    def _seen_frames(self, frames: slice) -> slice:
        """Return what the last block has to see for these frames: what its convolutions reach."""
        config = self.config
        if config.padding == "valid" or config.norm in ("instance", "group"):
            return slice(0, None)  # the latter two depend on all there is
        reach = config.kernel_size - 1  # of two convolutions
        return slice(max(0, frames.start - reach), frames.stop + reach)

    def _outputs(self, features: Tensor, bias: Tensor) -> Tensor:
        """Return what the head gives, ``(batch, time, outputs, freq)``, bands joined.

        One product for each frame leaves its outputs as they are to be: the bins of a frame lie
        together in memory. So do those of a spectrum, with which masks are multiplied in an eighth
        of the time then.
        """
        if features.requires_grad:  # the gradient would keep the order of the rows
            features.register_hook(_channels_last)  # type: ignore[no-untyped-call]
        rows = features.permute(0, 3, 1, 2).flatten(0, 1)  # (batch * time, width, freq of a band)
        weight = self.head.weight.flatten(1)  # (outputs * bands, width)
        bias = bias[..., None]  # of all, or of each of the batch
        if bias.ndim == 3:
            bias = bias[:, None].expand(-1, features.shape[-1], -1, -1).flatten(0, 1)
        products: Tensor = torch.baddbmm(bias, weight.expand(rows.shape[0], -1, -1), rows)
        # (batch, time, outputs, bands, freq of a band)
        bands = torch.unflatten(products, 0, (features.shape[0], -1))
        bands = torch.unflatten(bands, 2, (-1, self.config.subbands))
        # Masks keep full precision under autocast.
        return torch.flatten(bands, 3).to(torch.promote_types(bands.dtype, torch.float32))

    def _pad(self, features: Tensor) -> Tensor:
        """Pad with zeros at the bottom and right to a size that the levels can take."""
        config, (height, width) = self.config, features.shape[-2:]
        if config.fixed_height and height > config.freq_bins:
            raise ParameterError(
                f"the network was built for {config.freq_bins} frequency bins, got {height}"
            )
        margin = _margin(config)
        if min(height, width) <= margin:
            raise ParameterError(
                f"padding = 'valid' loses {margin} pixels of each axis: "
                f"the input needs at least {margin + 1}, got {height} x {width}"
            )
        # Every band keeps its share of the output and loses a margin of its own.
        share = -(-(max(height, config.freq_bins) - margin) // config.subbands)
        bands = (_level_size(share + margin, config) - margin) * config.subbands + margin
        new_width = _level_size(width, config)
        return functional.pad(features, (0, new_width - width, 0, bands - height))

    def _activate(self, frames: Tensor) -> Tensor:
        """Return masks ``(batch, time, stems, channels, freq)``, or without the stem axis."""
        config = self.config
        if config.stems:
            # (batch, time, stems, out_channels or its complex parts, freq)
            frames = torch.unflatten(frames, 2, (config.stems, -1))
        if config.head == "sigmoid":
            return frames.sigmoid()
        if config.head == "softmax":
            return frames.softmax(2)
        if config.head.startswith("complex"):
            frames = frames.tanh() if config.head == "complex_tanh" else frames
            real, imaginary = frames.chunk(2, dim=-2)
            return torch.complex(real.contiguous(), imaginary.contiguous())
        return frames


def _margin(config: UNetConfig) -> int:
    """Return how many pixels of each axis the unpadded network loses (184 for the paper's)."""
    if config.padding == "same":
        return 0
    lost = 2 * (config.kernel_size - 1)  # by one block, at its own level
    levels = range(config.levels)
    return sum(lost * 2**level * (1 if level == config.levels - 1 else 2) for level in levels)


def _split_bands(features: Tensor, config: UNetConfig) -> Tensor:
    """Stack the bands of the frequency axis as channels ``(batch, channels * bands, freq, time)``.

    Without padding they overlap by what each loses, so that their outputs join without a gap. The
    channels of a pixel lie together in memory, as the first convolutions want them.
    """
    if config.subbands == 1:
        return features
    margin = _margin(config)
    step = (features.shape[2] - margin) // config.subbands
    # (batch, channels, bands, time, freq of a band)
    bands = features.unfold(2, step + margin, step)
    stacked = bands.permute(0, 4, 3, 1, 2).flatten(3, 4)
    return stacked.permute(0, 3, 1, 2)


def _channels_last(features: Tensor) -> Tensor:
    return features.contiguous(memory_format=torch.channels_last)


def _level_size(size: int, config: UNetConfig) -> int:
    """Return the smallest height or width of ``size`` or more that the levels can take."""
    # Norms over the pixels of one item need two of them: one value has no variance.
    lowest = 2 if config.norm in ("instance", "group") else 1
    if config.padding == "same":
        smallest: int = lowest * 2 ** (config.levels - 1)
        return max(size, smallest)
    lost = 2 * (config.kernel_size - 1)

    def fits(candidate: int) -> bool:
        for _ in range(config.levels - 1):
            candidate -= lost
            if candidate % 2 or candidate < 2:
                return False  # a remainder would shift the skips against the features from below
            candidate //= 2
        return candidate - lost >= lowest

    while not fits(size):
        size += 1
    return size
