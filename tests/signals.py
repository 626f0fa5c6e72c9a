"""Sounds that tests are made of; every one is the same in each run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tone(
    frequency_hz: float, *, samples: int, sample_rate: int = 44_100, amplitude: float = 0.5
) -> NDArray[np.float64]:
    """Return a sine ``(samples,)`` that starts at phase 0."""
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / sample_rate)


def noise(channels: int, samples: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Return white noise ``(channels, samples)`` of standard deviation 0.1, within [-1, 1]."""
    values = np.random.default_rng(seed).standard_normal((channels, samples))
    return np.clip(0.1 * values, -1, 1).astype(np.float32)


def integers(channels: int, samples: int, *, bits: int, seed: int = 0) -> NDArray[np.int32]:
    """Return random sample values ``(channels, samples)``, the extremes of ``bits`` bits first."""
    limit = 2 ** (bits - 1)
    values = np.random.default_rng(seed).integers(-limit, limit, (channels, samples))
    values[:, :2] = np.array([-limit, limit - 1])[:samples]
    return values.astype(np.int32)
