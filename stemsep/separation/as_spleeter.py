"""Waveform -> stems as Spleeter 2.4.2 makes them.

The network sees blocks of 512 frames without surroundings, the frames are not centred, and the
inverse is scaled by a constant. With ratio masks memory holds one block; the Wiener filter looks at
the whole song, whose spectra are then kept.

Reference: the program's outputs, and norbert 0.2.1 for its Wiener filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from stemsep.dsp import STFTConfig
from stemsep.dsp.stft import analyse, synthesise
from stemsep.dsp.wiener import wiener
from stemsep.models import Spleeter
from stemsep.models.spleeter import ratio_masks

__all__ = ["MaskExtension", "spleeter_stems"]

MaskExtension = Literal["zeros", "average"]

BLOCK_FRAMES = 512
WINDOW_COMPENSATION = 2 / 3
"""One over the sum of the squared Hann windows, with four over each sample."""

EPSILON = float(torch.finfo(torch.float32).eps)
"""What keeps first estimates of the Wiener filter from dividing by zero."""


def spleeter_stems(
    network: Spleeter, blocks: Iterable[Tensor], *, extension: MaskExtension, filtered: bool
) -> Iterator[Tensor]:
    """Yield the stems ``(stems, 2, samples)`` of a song, in pieces.

    Args:
        network: on any device.
        blocks: ``(2, samples)`` each, at the network's rate.
        extension: masks of the bins that the network does not see.
        filtered: by the Wiener filter, in place of ratio masks.
    """
    stft = network.config.stft
    total, position = 0, -stft.n_fft

    def padded() -> Iterator[Tensor]:
        nonlocal total
        yield torch.zeros(2, stft.n_fft)
        for block in blocks:
            total += block.shape[-1]
            yield block

    overlap = torch.zeros(len(network.config.stems), 2, stft.n_fft - stft.hop_length)
    spectra = _spectra(padded(), stft)
    stems = _filtered(network, spectra) if filtered else _masked(network, spectra, extension)
    for spectrum in stems:
        waveform = synthesise(spectrum, stft) * WINDOW_COMPENSATION
        waveform[..., : overlap.shape[-1]] += overlap
        complete = spectrum.shape[-1] * stft.hop_length
        overlap = waveform[..., complete:]
        start, end = max(0, -position), min(complete, total - position)
        position += complete
        if end > start:
            yield waveform[..., start:end]


def _masked(
    network: Spleeter, spectra: Iterable[Tensor], extension: MaskExtension
) -> Iterator[Tensor]:
    """Yield stem spectra ``(stems, 2, freq, frames)`` by ratio masks."""
    for spectrum in spectra:
        masks = ratio_masks(_estimate(network, spectrum)[None])[0]
        above = masks.mean(-2, keepdim=True)
        if extension == "zeros":
            above = torch.zeros_like(above)
        missing = spectrum.shape[-2] - masks.shape[-2]
        masks = torch.cat([masks, above.expand(*above.shape[:-2], missing, -1)], dim=-2)
        yield masks * spectrum


def _filtered(network: Spleeter, spectra: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield stem spectra ``(stems, 2, freq, frames)`` by the Wiener filter; none above its bins."""
    kept = [(spectrum, _estimate(network, spectrum)) for spectrum in spectra]
    mixture = torch.cat([spectrum for spectrum, _ in kept], dim=-1)
    estimates = torch.cat([estimate for _, estimate in kept], dim=-1)
    del kept
    seen = mixture[:, : estimates.shape[-2]]
    first = estimates / (EPSILON + estimates.sum(0)) * seen
    stems = wiener(first[None], seen[None])[0]
    missing = mixture.shape[1] - stems.shape[2]
    for part in torch.split(stems, BLOCK_FRAMES, dim=-1):
        yield functional.pad(part, (0, 0, 0, missing))


@torch.inference_mode()
def _estimate(network: Spleeter, spectrum: Tensor) -> Tensor:
    """Return the network's magnitudes ``(stems, 2, bins, frames)`` of a block of frames."""
    frames, device = spectrum.shape[-1], next(network.parameters()).device
    magnitude = spectrum[:, : network.config.n_bins].abs()
    magnitude = functional.pad(magnitude, (0, BLOCK_FRAMES - frames))
    return network.estimate(magnitude[None].to(device))[0, ..., :frames].cpu()


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
