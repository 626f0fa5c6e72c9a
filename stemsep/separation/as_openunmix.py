"""Waveform -> stems as Open-Unmix 1.3.0 makes them: the network hears the whole song at once.

Memory grows with the song.

Reference: the package's outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from stemsep.dsp import istft, stft
from stemsep.dsp.wiener import wiener
from stemsep.models import OpenUnmix

__all__ = ["openunmix_stems"]

WIENER_FRAMES = 300
"""Frames that are filtered together."""

EPSILON = 1e-10
"""What the filter is regularised by."""


@torch.inference_mode()
def openunmix_stems(
    network: OpenUnmix, blocks: Iterable[Tensor], *, filtered: bool
) -> Iterator[Tensor]:
    """Yield the stems ``(stems, 2, samples)`` of a song, in one piece.

    Args:
        network: on any device.
        blocks: ``(2, samples)`` each, at the network's rate.
        filtered: by one step of the Wiener filter, which is the package's default.
    """
    parts = list(blocks)
    if not parts:
        return
    waveform = torch.cat(parts, dim=-1)
    config, device = network.config.stft, next(network.parameters()).device
    spectrum = stft(waveform, config)  # (2, freq, time)
    masks = network(spectrum.abs()[None].to(device))[0].cpu()
    stems = masks * spectrum
    if filtered:
        windows = zip(
            torch.split(stems, WIENER_FRAMES, -1),
            torch.split(spectrum, WIENER_FRAMES, -1),
            strict=True,
        )
        stems = torch.cat(
            [
                wiener(estimates[None], mixture[None], epsilon=EPSILON)[0]
                for estimates, mixture in windows
            ],
            dim=-1,
        )
    yield istft(stems, config, length=waveform.shape[-1])
