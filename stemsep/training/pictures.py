"""Estimates beside the truth, as pictures for loggers: small, and drawn without matplotlib."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stemsep.dsp import STFTConfig, stft

__all__ = ["spectrogram_pair"]

SECONDS = 6
HEIGHT = 160
RANGE_DB = 80.0
GAP = 4


def spectrogram_pair(
    *, estimate: NDArray[np.float32], reference: NDArray[np.float32], sample_rate: int
) -> NDArray[np.uint8]:
    """Return the spectrograms of a stem as estimated (above) and as it is (below), in grey.

    Up to half the sample rate, brighter is louder, black is 80 dB below the loudest point of the
    two; some seconds from the middle.

    Args:
        estimate: ``(channels, samples)``.
        reference: the same shape.
        sample_rate: Hz.

    Returns:
        ``(height, width, 3)``.
    """
    middle, half = estimate.shape[-1] // 2, SECONDS * sample_rate // 2
    part = slice(max(0, middle - half), middle + half)
    levels = [_level_db(waveform[:, part]) for waveform in (estimate, reference)]
    highest = max(float(level.max()) for level in levels)
    grey = [np.clip(1 + (level - highest) / RANGE_DB, 0, 1) * 255 for level in levels]
    line = np.full((GAP, grey[0].shape[1]), 255.0)
    picture = np.concatenate([grey[0], line, grey[1]]).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=-1)


def _level_db(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(HEIGHT, time)`` in dB, the highest frequency first."""
    transform = STFTConfig(n_fft=8 * HEIGHT, hop_length=2 * HEIGHT)
    power = stft(torch.from_numpy(waveform.mean(0)), transform).abs().square().numpy()
    bands = power[: 4 * HEIGHT].reshape(HEIGHT, 4, -1).mean(1)
    return np.asarray(10 * np.log10(bands[::-1] + 1e-10), np.float32)
