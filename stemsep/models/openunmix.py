"""Open-Unmix: a recurrent network for each stem, which sees all frequencies of a frame at once.

Magnitude of a frame, scaled -> a linear layer -> three bidirectional LSTM layers along time, beside
a shortcut -> two linear layers -> a gain for every bin, not negative and without an upper limit.
The names of the parts are those of the published state dicts.

Reference: F.-R. Stöter et al., "Open-Unmix: a reference implementation for music source
separation", JOSS 4(41), 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models.checks import check_bins, checked_stems

__all__ = ["OpenUnmix", "OpenUnmixConfig"]

AUDIO_CHANNELS = 2
LAYERS = 3


@dataclass(frozen=True, kw_only=True)
class OpenUnmixConfig:
    """What differs between the published models.

    Args:
        stems: names of the stems, in the order of the output.
        hidden_size: width of the network, an even number.
        n_bins: how many of the lowest frequency bins it sees (1487 reach up to 16 kHz); it gives
            gains for all.
        sample_rate: Hz, of the sound that it was trained on.
        stft: sizes of the transform.

    Raises:
        ParameterError: no stem, or a value outside its range.
    """

    stems: tuple[str, ...] = ("vocals", "drums", "bass", "other")
    hidden_size: int = 512
    n_bins: int = 1487
    sample_rate: int = 44100
    stft: STFTConfig = field(default_factory=STFTConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", checked_stems(self.stems))
        if self.hidden_size < 2 or self.hidden_size % 2:
            raise ParameterError(f"hidden_size = {self.hidden_size}: it must be even, 2 or more")
        check_bins(self.n_bins, self.sample_rate, self.stft)

    @property
    def n_features(self) -> int:
        """Channels of the network's input."""
        return AUDIO_CHANNELS

    @property
    def time_stride(self) -> int:
        """Frames that one step of the network spans."""
        return 1

    @property
    def sums_to_one(self) -> bool:
        """Whether the masks of a bin do."""
        return False

    @property
    def spatial(self) -> bool:
        """Whether the masks go through a filter of repetitions and places, unless asked for."""
        return False


class OpenUnmix(nn.Module):
    """One `StemNetwork` for each stem, side by side."""

    def __init__(self, config: OpenUnmixConfig) -> None:
        super().__init__()
        self.config = config
        self.networks = nn.ModuleList(StemNetwork(config) for _ in config.stems)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return masks ``(batch, stems, 2, freq, time)``, not negative.

        A mask times the magnitude is the published network's output.

        Args:
            magnitude: ``(batch, 2, freq, time)``, not negative, not scaled.

        Raises:
            ParameterError: another number of channels or bins.
        """
        expected = (AUDIO_CHANNELS, self.config.stft.n_freq)
        if magnitude.ndim != 4 or tuple(magnitude.shape[1:3]) != expected:
            raise ParameterError(
                f"the network takes (batch, {expected[0]}, {expected[1]}, time), "
                f"got {tuple(magnitude.shape)}"
            )
        return torch.stack([network(magnitude) for network in self.networks], dim=1)


class StemNetwork(nn.Module):
    """The network of one stem."""

    def __init__(self, config: OpenUnmixConfig) -> None:
        super().__init__()
        seen, given, hidden = config.n_bins, config.stft.n_freq, config.hidden_size
        self.input_mean = nn.Parameter(torch.zeros(seen))
        self.input_scale = nn.Parameter(torch.ones(seen))
        self.output_scale = nn.Parameter(torch.ones(given))
        self.output_mean = nn.Parameter(torch.ones(given))
        self.fc1 = nn.Linear(AUDIO_CHANNELS * seen, hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.lstm = nn.LSTM(
            hidden, hidden // 2, LAYERS, bidirectional=True, batch_first=True, dropout=0.4
        )
        self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, AUDIO_CHANNELS * given, bias=False)
        self.bn3 = nn.BatchNorm1d(AUDIO_CHANNELS * given)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return gains ``(batch, 2, freq, time)``."""
        frames = magnitude.permute(0, 3, 1, 2)  # (batch, time, 2, freq)
        batch, time, channels, freq = frames.shape
        scaled = (frames[..., : len(self.input_mean)] + self.input_mean) * self.input_scale
        # Norms take (batch * time, features).
        first = self.bn1(self.fc1(scaled.flatten(2)).flatten(0, 1)).tanh()
        around, _ = self.lstm(first.view(batch, time, -1))
        both = torch.cat([first, around.flatten(0, 1)], dim=-1)
        second = self.bn2(self.fc2(both)).relu()
        gains = self.bn3(self.fc3(second)).view(batch, time, channels, freq)
        if gains.dtype.itemsize < 4:
            gains = gains.float()  # masks keep full precision under autocast
        gains = (gains * self.output_scale + self.output_mean).relu()
        result: Tensor = gains.permute(0, 2, 3, 1)  # (batch, 2, freq, time)
        return result
