"""Waveform -> stems exactly as the program makes them that a network was published with.

For comparison with it, and different from `stemsep.separation.separator` in all that the program
decided otherwise: two channels and the network's own rate come out whatever goes in, and the stems
are not made to sum to the mixture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import AudioInfo, Block, reblock, resample, to_float
from stemsep.errors import ParameterError, check_choices
from stemsep.models import OpenUnmix, SeparationNetwork, Spleeter
from stemsep.separation.as_openunmix import openunmix_stems
from stemsep.separation.as_spleeter import MaskExtension, spleeter_stems
from stemsep.separation.checks import checked_blocks
from stemsep.separation.device import choose_device
from stemsep.separation.residue import OUTPUT_SAMPLES
from stemsep.separation.results import Progress, Timings

__all__ = ["ExactConfig", "ExactSeparator"]


@dataclass(frozen=True, kw_only=True)
class ExactConfig:
    """What the programs let one choose.

    Args:
        mask_extension: of Spleeter, masks of the bins above those that the network sees:
            ``"zeros"`` (nothing above 11 kHz is left in any stem), or ``"average"`` of the bins
            below.
        wiener: with the program's Wiener filter (of Spleeter, in place of its ratio masks).

    Raises:
        ParameterError: another mask extension.
    """

    mask_extension: MaskExtension = "zeros"
    wiener: bool = False

    def __post_init__(self) -> None:
        check_choices(self)


class ExactSeparator:
    """A published network in its own program's way; a twin of `stemsep.Separator`.

    Args:
        network: one of Spleeter's or Open-Unmix's.
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
        if not isinstance(network, Spleeter | OpenUnmix):
            raise ParameterError(
                "the exact way is that of Spleeter's and Open-Unmix's networks: choose one of them"
            )
        self.device, self.exact = choose_device(device), config or ExactConfig()
        self.precision = "fp32"
        if isinstance(network, OpenUnmix) and self.exact.mask_extension != "zeros":
            raise ParameterError("a mask extension is for Spleeter's networks: leave it out")
        self.network: Spleeter | OpenUnmix = network.to(self.device).eval()

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
        timings: Timings | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the stems of a song, two channels each, at the network's rate.

        Args:
            blocks: ``(channels, samples)`` each, any sizes; of more than two channels the first
                two are taken.
            sample_rate: Hz.
            progress: called with the seconds done and ``total_seconds``.
            total_seconds: length of the song where the caller knows it, for ``progress`` alone.
            timings: is told how long the network computes, its transforms included.

        Yields:
            name -> ``(2, samples)`` float32: consecutive pieces of the song.

        Raises:
            ParameterError: a block with another number of channels or axes, or a non-finite sample.
        """
        rate = self.network.config.sample_rate
        stereo = map(_two_channels, checked_blocks(blocks, sample_rate))
        song = resample(stereo, from_rate=sample_rate, to_rate=rate)
        computed = (timings or Timings()).computed(self._stems(song))
        flat = (stems.reshape(-1, stems.shape[-1]) for stems in computed)
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
        """Yield ``(stems, 2, samples)``: pieces of any size."""
        waveforms, filtered = map(torch.from_numpy, blocks), self.exact.wiener
        if isinstance(self.network, OpenUnmix):
            pieces = openunmix_stems(self.network, waveforms, filtered=filtered)
        else:
            extension = self.exact.mask_extension
            pieces = spleeter_stems(self.network, waveforms, extension=extension, filtered=filtered)
        return (piece.numpy() for piece in pieces)


def _two_channels(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mono doubled, and of more channels the first two."""
    return np.repeat(block, 2, axis=0) if block.shape[0] == 1 else np.ascontiguousarray(block[:2])
