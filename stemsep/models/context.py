"""What sees further at the lowest level of the U-Net: along time, and over the whole of a song.

All take ``(batch, channels, freq, time)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.models.blocks import activation, norm

if TYPE_CHECKING:
    from stemsep.models.unet import UNetConfig

__all__ = ["FrameContext", "Presence", "TimeContext"]


class TimeContext(nn.Module):
    """A convolution of three frames along time, far apart, and a pointwise one, plus a shortcut.

    A few of them with growing dilation see seconds at little cost, where a recurrent layer would
    see the whole chunk and make its result depend on where a song is cut. Training starts from the
    identity: the last layer is all zeros.

    Reference: F. Yu, V. Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR
    2016 (arXiv 1511.07122).
    """

    def __init__(self, channels: int, dilation: int, c: UNetConfig) -> None:
        super().__init__()
        bias, reach = c.norm == "none", (0, dilation)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, channels, (1, 3), padding=reach, dilation=(1, dilation), bias=bias),
            *norm(channels, c),
            activation(c),
            nn.Conv2d(channels, channels, 1, bias=bias),
            *norm(channels, c),
        ]
        for parameter in layers[-1].parameters():
            nn.init.zeros_(parameter)
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, channels, freq, time)``."""
        result: Tensor = features + self.layers(features)
        return result


class FrameRecurrence(nn.Module):
    """A recurrent layer over all frames, in both directions, plus a shortcut.

    Training starts from the identity.

    Reference: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9(8),
    1997; as the middle of a separator: F.-R. Stöter et al., "Open-Unmix", JOSS 4(41), 2019.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = (width + 1) // 2  # for each direction, so that both have the width together
        self.recurrent = nn.LSTM(width, half, batch_first=True, bidirectional=True)
        self.joined = nn.Linear(2 * half, width)
        for parameter in self.joined.parameters():
            nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(batch, width, 1, time)``."""
        seen, _ = self.recurrent(frames[:, :, 0].transpose(1, 2))  # (batch, time, 2 * half)
        joined: Tensor = self.joined(seen)
        return frames + joined.transpose(1, 2)[:, :, None]


class FrameAttention(nn.Module):
    """Every frame beside every other, wherever they are, plus a shortcut.

    The places of frames are not told: the convolutions before it have seen what is near. Training
    starts from the identity.

    Reference: A. Vaswani et al., "Attention is all you need", NeurIPS 2017 (arXiv 1706.03762),
    section 3.2.2; the norm comes first.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = max(count for count in (1, 2, 4, 8) if width % count == 0)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        for parameter in self.attention.out_proj.parameters():
            nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(batch, width, 1, time)``."""
        vectors = self.norm(frames[:, :, 0].transpose(1, 2))  # (batch, time, width)
        attended: Tensor = self.attention(vectors, vectors, vectors, need_weights=False)[0]
        return frames + attended.transpose(1, 2)[:, :, None]


SEQUENCES = {"lstm": FrameRecurrence, "attention": FrameAttention}


class FrameContext(nn.Module):
    """Whole frames along time: all channels and rows as one narrow vector, plus a shortcut.

    Here are most of a network's weights and hardly any of its work: at the lowest level a frame is
    wide, but there are few. Each dilation adds a residual convolution of three of the vectors,
    ``frame_sequence`` a layer that sees all of them. Training starts from the identity, as of
    `TimeContext`.
    """

    def __init__(self, channels: int, freq: int, c: UNetConfig) -> None:
        super().__init__()
        bias, width = c.norm == "none", c.frame_width
        self.narrow = nn.Sequential(
            nn.Conv2d(channels * freq, width, 1, bias=bias), *norm(width, c), activation(c)
        )
        along_time: list[nn.Module] = [
            TimeContext(width, dilation, c) for dilation in c.time_dilations
        ]
        if c.frame_sequence != "none":
            along_time.append(SEQUENCES[c.frame_sequence](width))
        self.along_time = nn.Sequential(*along_time)
        self.widen = nn.Sequential(
            nn.Conv2d(width, channels * freq, 1, bias=bias), *norm(channels * freq, c)
        )
        for parameter in self.widen[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, channels, freq, time)``."""
        frames = features.flatten(1, 2)[:, :, None]  # (batch, channels * freq, 1, time)
        wide: Tensor = self.widen(self.along_time(self.narrow(frames)))
        return features + torch.unflatten(wide[:, :, 0], 1, features.shape[1:3])


class Presence(nn.Module):
    """Which stems there are at all, told from the whole of the input.

    A mask is made of a second or two, in which a melody alone may be anybody's. Here the frames of
    the whole input are weighted by how much they tell, and their mean says how likely it is that a
    stem is heard anywhere. It is as little work as `FrameContext`.

    Reference: M. Ilse, J. Tomczak, M. Welling, "Attention-based deep multiple instance learning",
    ICML 2018 (arXiv 1802.04712): the weighted mean.
    """

    HEADS = 4

    def __init__(self, channels: int, freq: int, c: UNetConfig) -> None:
        super().__init__()
        width = c.presence
        self.narrow = nn.Sequential(
            nn.Dropout(c.dropout),
            nn.Conv2d(channels * freq, width, 1, bias=c.norm == "none"),
            *norm(width, c),
            activation(c),
            TimeContext(width, 1, c),
        )
        self.weights = nn.Conv2d(width, self.HEADS, 1)
        self.heard = nn.Linear(width * self.HEADS, c.stems)
        # At first no stem is likelier than another, which changes no softmax over them.
        for parameter in self.heard.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of probabilities that stems are heard, ``(batch, stems)``."""
        frames = self.narrow(features.flatten(1, 2)[:, :, None])  # (batch, width, 1, time)
        weights = self.weights(frames).float().softmax(-1)  # (batch, HEADS, 1, time)
        means = weights[:, :, 0] @ frames[:, :, 0].float().mT  # (batch, HEADS, width)
        return functional.linear(means.flatten(1), self.heard.weight, self.heard.bias)
