"""SCNet: the higher a band lies, the more it is compressed, before recurrent layers see all of it.

Real and imaginary parts of the mixture, normalised -> three levels down, each of which takes three
bands of its input apart and shortens each along frequency by a stride of its own -> recurrent
layers along frequency and time, in turn over time and over its Fourier transform -> three levels
up -> every stem's spectrum, given as complex masks.

Reference: W. Tong et al., "SCNet: Sparse Compression Network for Music Source Separation", ICASSP
2024 (arXiv 2401.13276); sizes as in the published configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models.checks import check_sample_rate, checked_stems

__all__ = ["SCNet", "SCNetConfig"]

AUDIO_CHANNELS = 2
PARTS = 2 * AUDIO_CHANNELS
"""Real and imaginary part of each channel: left, left, right, right."""

DUAL_PATHS = 6
COMPRESSION = 4
"""By which a residual block is narrower inside."""

EPSILON = 1e-5
"""Beside the deviation of the parts, of a transform that keeps energy (``1 / sqrt(n_fft)``)."""

SILENCE = 1e-12
"""Beside the energy of a bin of the mixture that masks are relative to."""


class Band(NamedTuple):
    """A band of frequencies, the same in every level.

    Args:
        share: of the bins.
        stride: by which it is shortened, and of how many bins each result is made.
        kernel: bins that are seen at once.
        depth: residual blocks along time.
    """

    share: float
    stride: int
    kernel: int
    depth: int


BANDS = (Band(0.175, 1, 3, 3), Band(0.392, 4, 4, 2), Band(0.433, 16, 16, 1))


@dataclass(frozen=True, kw_only=True)
class SCNetConfig:
    """Sizes of a network; the defaults are those of the published one.

    Args:
        stems: names of the stems, in the order of the output.
        widths: channels of the levels, from the top down; multiples of 4.
        sample_rate: Hz, of the sound that it was trained on.
        stft: sizes and window of the transform.

    Raises:
        ParameterError: no stem, a value outside its range, or too few bins for the levels.
    """

    stems: tuple[str, ...] = ("drums", "bass", "other", "vocals")
    widths: tuple[int, ...] = (32, 64, 128)
    sample_rate: int = 44100
    stft: STFTConfig = field(default_factory=lambda: STFTConfig(window="rectangular"))

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", checked_stems(self.stems))
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.widths or any(width < 1 or width % COMPRESSION for width in self.widths):
            raise ParameterError(f"widths = {self.widths}: give one or more multiples of 4")
        check_sample_rate(self.sample_rate)
        n_freq = self.stft.n_freq
        for _ in self.widths:
            bins = band_bins(n_freq)
            if min(bins) < 1:
                raise ParameterError(
                    f"n_fft = {self.stft.n_fft}: too few bins for {len(self.widths)} levels"
                )
            n_freq = sum(shortened_bins(bins))

    @property
    def n_bins(self) -> int:
        """How many of the lowest frequency bins the network sees: all."""
        return self.stft.n_freq

    @property
    def n_features(self) -> int:
        """Channels of the network's input."""
        return PARTS

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


class SCNet(nn.Module):
    """Levels of bands, and `DualPath` layers between them."""

    def __init__(self, config: SCNetConfig) -> None:
        super().__init__()
        self.config = config
        steps = list(pairwise((PARTS, *config.widths)))
        self.down = nn.ModuleList(Down(inputs, outputs) for inputs, outputs in steps)
        width = config.widths[-1]
        # Over the transform of time there are twice as many channels: real and imaginary part.
        self.paths = nn.ModuleList(DualPath(width * (1 + n % 2)) for n in range(DUAL_PATHS))
        given = [PARTS * len(config.stems), *config.widths[:-1]]
        ups = zip(config.widths[::-1], given[::-1], strict=True)
        self.up = nn.ModuleList(Up(inputs, outputs) for inputs, outputs in ups)

    def forward(self, parts: Tensor) -> Tensor:
        """Return masks ``(batch, stems, 2, freq, time)``, complex.

        A mask times the mixture is the published network's output, but 0 where the mixture is.

        Args:
            parts: ``(batch, 4, freq, time)``, see `spectrum_parts`.

        Raises:
            ParameterError: another number of channels or bins, or no frame.
        """
        mixture = torch.complex(parts[:, 0::2], parts[:, 1::2])[:, None]
        energy = mixture.real.square() + mixture.imag.square() + SILENCE
        return self.estimate(parts) * (mixture.conj() / energy)

    def estimate(self, parts: Tensor) -> Tensor:
        """Return the published network's output, each stem's spectrum, shaped like the masks.

        Args:
            parts: ``(batch, 4, freq, time)``, see `spectrum_parts`.

        Raises:
            ParameterError: another number of channels or bins, or no frame.
        """
        expected = (PARTS, self.config.stft.n_freq)
        if parts.ndim != 4 or tuple(parts.shape[1:3]) != expected or not parts.shape[3]:
            raise ParameterError(
                f"the network takes (batch, {expected[0]}, {expected[1]}, time), "
                f"got {tuple(parts.shape)}"
            )
        mean = parts.mean((1, 2, 3), keepdim=True)
        deviation = parts.std((1, 2, 3), keepdim=True)
        features = (parts - mean) / (deviation + EPSILON * self.config.stft.n_fft**0.5)
        skips = []
        for down in self.down:
            n_freq = features.shape[2]
            features, skip = down(features)
            skips.append((skip, n_freq))
        features = self._between(features)
        for up in self.up:
            features = up(features, *skips.pop())
        stems = features.float() * deviation + mean
        # (batch, stems, 2, real and imaginary, freq, time)
        pairs = stems.unflatten(1, (len(self.config.stems), AUDIO_CHANNELS, 2))
        return torch.complex(pairs[:, :, :, 0], pairs[:, :, :, 1])

    def _between(self, features: Tensor) -> Tensor:
        """Run the recurrent layers, every second of them on the transform of time."""
        time = features.shape[3]
        for number, path in enumerate(self.paths):
            features = path(features).float()  # the transform knows no smaller type
            if number % 2:
                real, imaginary = features.chunk(2, dim=1)
                spectrum = torch.complex(real, imaginary)
                features = torch.fft.irfft(spectrum, n=time, dim=3, norm="ortho")
            else:
                spectrum = torch.fft.rfft(features, dim=3, norm="ortho")
                features = torch.cat([spectrum.real, spectrum.imag], dim=1)
        return features


def spectrum_parts(spectrum: Tensor) -> Tensor:
    """Return real and imaginary part of each channel, side by side.

    Args:
        spectrum: ``(batch, channels, freq, time)``, complex.

    Returns:
        ``(batch, 2 * channels, freq, time)``.
    """
    return torch.stack([spectrum.real, spectrum.imag], dim=2).flatten(1, 2)


def band_bins(n_freq: int) -> list[int]:
    """Return how many of so many bins lie in each band."""
    edges = [ceil(n_freq * share) for share in accumulate(band.share for band in BANDS[:-1])]
    return [after - before for before, after in pairwise((0, *edges, n_freq))]


def shortened_bins(bins: list[int]) -> list[int]:
    """Return how many bins of each band its stride leaves."""
    return [ceil(count / band.stride) for count, band in zip(bins, BANDS, strict=True)]


class Down(nn.Module):
    """Bands -> shorter bands of more channels -> all of them together."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bands = nn.ModuleList(
            nn.Conv2d(inputs, outputs, (band.kernel, 1), (band.stride, 1)) for band in BANDS
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Residual(outputs) for _ in range(band.depth))) for band in BANDS
        )
        self.merge = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on and what skips, both ``(batch, outputs, shorter freq, time)``."""
        bands = []
        pieces = torch.split(features, band_bins(features.shape[2]), dim=2)
        for piece, band, shorten, blocks in zip(
            pieces, BANDS, self.bands, self.blocks, strict=True
        ):
            missing = _padding(piece.shape[2], band)
            padded = functional.pad(piece, (0, 0, missing // 2, missing - missing // 2))
            short = shorten(padded).transpose(1, 2)  # (batch, freq, channels, time)
            rows = blocks(short.flatten(0, 1)).view(short.shape)
            bands.append(functional.gelu(rows).transpose(1, 2))
        together = torch.cat(bands, dim=2)
        return self.merge(together), together


class Residual(nn.Module):
    """Convolutions along time, of each frequency by itself, added to what they see."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = channels // COMPRESSION
        self.layers = nn.Sequential(
            nn.GroupNorm(1, channels),
            nn.Conv1d(channels, 2 * inside, 3, padding=1),
            nn.GLU(1),
            nn.Conv1d(inside, inside, 3, padding=1, groups=inside),
            nn.GroupNorm(1, inside),
            nn.SiLU(),
            nn.Conv1d(inside, channels, 1),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Return the same shape as ``rows``, ``(batch * freq, channels, time)``."""
        result: Tensor = rows + self.layers(rows)
        return result


class DualPath(nn.Module):
    """A recurrent layer along frequency, then one along time, each added to what it sees."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(2))
        self.recurrent = nn.ModuleList(
            nn.LSTM(channels, channels, bidirectional=True, batch_first=True) for _ in range(2)
        )
        self.linear = nn.ModuleList(nn.Linear(2 * channels, channels) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        """Return the same shape as ``features``, ``(batch, channels, freq, time)``."""
        for axis in (0, 1):
            # (batch, time, freq, channels), then (batch, freq, time, channels)
            order = (0, 2, 3, 1) if axis else (0, 3, 2, 1)
            lines = self.norms[axis](features).permute(order)
            around, _ = self.recurrent[axis](lines.flatten(0, 1))
            changed = self.linear[axis](around).view(lines.shape)
            features = features + changed.permute((0, 3, 1, 2) if axis else (0, 3, 2, 1))
        return features


class Up(nn.Module):
    """What `Down` took apart, put together again, beside what it skipped."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fuse = nn.Conv2d(2 * inputs, 2 * inputs, 3, padding=1)
        self.bands = nn.ModuleList(
            nn.ConvTranspose2d(inputs, outputs, (band.kernel, 1), (band.stride, 1))
            for band in BANDS
        )

    def forward(self, features: Tensor, skip: Tensor, n_freq: int) -> Tensor:
        """Return ``(batch, outputs, n_freq, time)``."""
        # The published layer sees the sum twice: one convolution with the sum of its weights' two
        # halves is the same, for half the work.
        first, second = self.fuse.weight.chunk(2, dim=1)
        both = functional.conv2d(features + skip, first + second, self.fuse.bias, padding=1)
        bins = band_bins(n_freq)
        pieces = torch.split(functional.glu(both, dim=1), shortened_bins(bins), dim=2)
        bands = []
        for piece, count, lengthen in zip(pieces, bins, self.bands, strict=True):
            longer = lengthen(piece)
            start = (longer.shape[2] - count) // 2
            bands.append(longer[:, :, start : start + count])
        return torch.cat(bands, dim=2)


def _padding(bins: int, band: Band) -> int:
    """Return how many bins of zeros make the kernels of a band fit."""
    return band.kernel - 1 if band.stride == 1 else -bins % band.stride
