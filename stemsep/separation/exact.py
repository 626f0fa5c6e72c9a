"""Waveform -> stems exactly as Spleeter 2.4.2 makes them, for comparison with it.

This differs from `stemsep.separation.separator` in everything that the program decided otherwise:
two channels and the network's own rate come out whatever goes in, the network sees blocks of 512
frames without surroundings, the frames are not centred, the inverse is scaled by a constant, and
the stems are not made to sum to the mixture. Memory holds one block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stemsep.audio import AudioInfo, Block, reblock, resample, to_float
from stemsep.dsp import STFTConfig
from stemsep.dsp.stft import analyse, synthesise
from stemsep.errors import ParameterError, check_choices
from stemsep.models import SeparationNetwork, Spleeter
from stemsep.models.spleeter import ratio_masks
from stemsep.separation.checks import checked_blocks
from stemsep.separation.device import choose_device
from stemsep.separation.files import Progress
from stemsep.separation.residue import OUTPUT_SAMPLES

__all__ = ["ExactConfig", "ExactSeparator"]

BLOCK_FRAMES = 512
WINDOW_COMPENSATION = 2 / 3
"""One over the sum of the squared Hann windows, with four over each sample."""


@dataclass(frozen=True, kw_only=True)
class ExactConfig:
    """What the program lets one choose.

    Args:
        mask_extension: masks of the bins above those that the network sees: ``"zeros"`` (nothing
            above 11 kHz is left in any stem), or ``"average"`` of the bins below.

    Raises:
        ParameterError: another mask extension.
    """

    mask_extension: Literal["zeros", "average"] = "zeros"

    def __post_init__(self) -> None:
        check_choices(self)


class ExactSeparator:
    """Spleeter's network in Spleeter's own way; a twin of `stemsep.Separator`.

    Args:
        network: one of Spleeter's.
        config: what can be chosen.
        device: where the network runs, in float32.

    Raises:
        ParameterError: a network of another kind, or no such device.
    """

    def __init__(
        self,
        network: SeparationNetwork,
        config: ExactConfig | None = None,
        *,
        device: str | torch.device = "auto",
    ) -> None:
        if not isinstance(network, Spleeter):
            raise ParameterError("the exact way is that of Spleeter's networks: choose one of them")
        self.device = choose_device(device)
        self.network = network.to(self.device).eval()
        self.exact = config or ExactConfig()

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in the network's order."""
        return self.network.config.stems

    def prepare(
        self, info: AudioInfo, blocks: Iterable[Block]
    ) -> tuple[AudioInfo, Iterator[NDArray[np.float32]]]:
        """Return a file's sound as it goes in: two channels, at the network's rate."""
        rate = self.network.config.sample_rate
        # How many samples resampling gives is only known at its end.
        samples = info.samples if info.sample_rate == rate else None
        changed = dataclasses.replace(info, sample_rate=rate, channels=2, samples=samples)
        stereo = (_two_channels(to_float(block)) for block in blocks)
        return changed, resample(stereo, from_rate=info.sample_rate, to_rate=rate)

    def stream(
        self,
        blocks: Iterable[Tensor | NDArray[np.floating]],
        sample_rate: int,
        *,
        progress: Progress | None = None,
        total_seconds: float | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the stems of a song, two channels each, at the network's rate.

        Args:
            blocks: ``(channels, samples)`` each, any sizes; of more than two channels the first
                two are taken.
            sample_rate: Hz.
            progress: called with the seconds done and ``total_seconds``.
            total_seconds: length of the song where the caller knows it, for ``progress`` alone.

        Yields:
            name -> ``(2, samples)`` float32: consecutive pieces of the song.

        Raises:
            ParameterError: a block with another number of channels or axes, or a non-finite sample.
        """
        rate = self.network.config.sample_rate
        stereo = map(_two_channels, checked_blocks(blocks, sample_rate))
        song = resample(stereo, from_rate=sample_rate, to_rate=rate)
        flat = (stems.reshape(-1, stems.shape[-1]) for stems in self._stems(song))
        done = 0
        for piece in reblock(flat, OUTPUT_SAMPLES):
            shaped = torch.from_numpy(piece).reshape(len(self.stems), 2, -1)
            yield dict(zip(self.stems, shaped, strict=True))
            done += piece.shape[-1]
            if progress:
                progress(done / rate, total_seconds)

    def separate(
        self, waveform: Tensor | NDArray[np.floating], sample_rate: int
    ) -> dict[str, Tensor]:
        """Return the stems of a song that is in memory.

        Args:
            waveform: ``(channels, samples)``, nominally in [-1, 1], not empty.
            sample_rate: Hz.

        Returns:
            name -> ``(2, samples)`` float32 at the network's rate.

        Raises:
            ParameterError: no samples, or as `stream`.
        """
        pieces = list(self.stream([waveform], sample_rate))
        if not pieces:
            raise ParameterError("a waveform without samples: give (channels, samples), not empty")
        return {name: torch.cat([piece[name] for piece in pieces], -1) for name in self.stems}

    def _stems(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield ``(stems, 2, samples)``: the samples of the song, a block of frames at a time."""
        stft = self.network.config.stft
        total, position = 0, -stft.n_fft
        overlap = torch.zeros(len(self.stems), 2, stft.n_fft - stft.hop_length)

        def padded() -> Iterator[Tensor]:
            nonlocal total
            yield torch.zeros(2, stft.n_fft)
            for block in blocks:
                total += block.shape[-1]
                yield torch.from_numpy(block)

        for spectrum in _spectra(padded(), stft):
            waveform = synthesise(self._masks(spectrum) * spectrum, stft) * WINDOW_COMPENSATION
            waveform[..., : overlap.shape[-1]] += overlap
            complete = spectrum.shape[-1] * stft.hop_length
            overlap = waveform[..., complete:]
            start, end = max(0, -position), min(complete, total - position)
            position += complete
            if end > start:
                yield waveform[..., start:end].numpy()

    @torch.inference_mode()
    def _masks(self, spectrum: Tensor) -> Tensor:
        """Return the masks ``(stems, 2, freq, frames)`` of a block of up to 512 frames."""
        frames, n_bins = spectrum.shape[-1], self.network.config.n_bins
        magnitude = spectrum[:, :n_bins].abs()
        magnitude = functional.pad(magnitude, (0, BLOCK_FRAMES - frames))
        estimates = self.network.estimate(magnitude[None].to(self.device))[0].cpu()
        masks = ratio_masks(estimates[None])[0, ..., :frames]
        above = masks.mean(-2, keepdim=True)
        if self.exact.mask_extension == "zeros":
            above = torch.zeros_like(above)
        missing = spectrum.shape[-2] - n_bins
        return torch.cat([masks, above.expand(*above.shape[:-2], missing, frames)], dim=-2)


def _two_channels(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mono doubled, and of more channels the first two."""
    return np.repeat(block, 2, axis=0) if block.shape[0] == 1 else np.ascontiguousarray(block[:2])


def _spectra(blocks: Iterable[Tensor], stft: STFTConfig) -> Iterator[Tensor]:
    """Yield the spectra ``(2, freq, frames)`` of blocks of 512 frames, the last with fewer.

    A frame starts at each ``hop_length``-th sample; what the last ones lack is zero.
    """
    hop = stft.hop_length
    size = (BLOCK_FRAMES - 1) * hop + stft.n_fft
    held = torch.zeros(2, 0)
    for block in blocks:
        held = torch.cat([held, block], dim=-1)
        while held.shape[-1] >= size:
            yield analyse(held[..., :size], stft)
            held = held[..., BLOCK_FRAMES * hop :]
    while held.shape[-1]:
        frames = min(BLOCK_FRAMES, -(-held.shape[-1] // hop))
        missing = (frames - 1) * hop + stft.n_fft - held.shape[-1]
        yield analyse(functional.pad(held, (0, missing)), stft)  # a negative number cuts off
        held = held[..., frames * hop :]
