"""What studios do to a stem: equalisers, filters, compression, limiting, rooms.

Takes and gives ``(2, samples)`` float32 of an excerpt; nothing is written into what is given.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

__all__ = ["compress", "filtered", "high_pass", "limiter_gain", "low_pass", "peak", "reverberate"]

Waveform = NDArray[np.float32]
Sections = NDArray[np.float64]

HIGHEST = 0.49
"""Of the sample rate: right at its half there is no such filter, and above it an unstable one."""

COMPRESSOR_SECONDS = 0.03
LIMITER_SECONDS = 0.005
REVERB_DECAY = math.log(1000)
"""Sound has decayed by 60 dB, to a thousandth, at the end of a reverberation time."""


def peak(*, hz: float, gain_db: float, q: float, sample_rate: int) -> Sections:
    """Return the second-order section ``(1, 6)`` of a peaking equaliser.

    Args:
        hz: its centre; one that the sample rate does not have is taken down to its highest.
        gain_db: at the centre.
        q: the larger, the narrower.
        sample_rate: Hz.

    Reference: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients",
    W3C note 2021, section "peakingEQ".
    """
    omega = 2 * math.pi * min(hz, HIGHEST * sample_rate) / sample_rate
    gain = 10 ** (gain_db / 40)
    alpha, cosine = math.sin(omega) / (2 * q), math.cos(omega)
    above = np.array([1 + alpha * gain, -2 * cosine, 1 - alpha * gain])
    below = np.array([1 + alpha / gain, -2 * cosine, 1 - alpha / gain])
    return np.asarray(np.concatenate([above, below])[None] / below[0], np.float64)


def high_pass(*, hz: float, sample_rate: int) -> Sections:
    """Return the section of a Butterworth filter that falls by 12 dB an octave below ``hz``."""
    return _butterworth(hz, "highpass", sample_rate)


def low_pass(*, hz: float, sample_rate: int) -> Sections:
    """Return the section of a Butterworth filter that falls by 12 dB an octave above ``hz``."""
    return _butterworth(hz, "lowpass", sample_rate)


def _butterworth(hz: float, kind: str, sample_rate: int) -> Sections:
    corner = min(hz, HIGHEST * sample_rate)
    return np.asarray(signal.butter(2, corner, kind, fs=sample_rate, output="sos"), np.float64)


def filtered(waveform: Waveform, sections: Sections) -> Waveform:
    """Return the waveform through second-order sections ``(n, 6)``, one after the other."""
    return np.asarray(signal.sosfilt(sections.astype(np.float32), waveform), np.float32)


def compress(waveform: Waveform, *, ratio: float, sample_rate: int) -> Waveform:
    """Return the waveform with less between loud and quiet, at the level it had.

    Args:
        waveform: ``(2, samples)``.
        ratio: so many dB more, above the mean level, become one.
        sample_rate: Hz.
    """
    level = float(np.sqrt(np.mean(waveform.astype(np.float64) ** 2)))
    if level == 0:
        return waveform
    envelope = _smooth(np.abs(waveform).max(0), COMPRESSOR_SECONDS, sample_rate)
    gain = np.maximum(envelope / level, 1) ** (1 / ratio - 1)
    result = waveform * gain.astype(np.float32)
    return np.asarray(result * (level / np.sqrt(np.mean(result**2))), np.float32)


def limiter_gain(mixture: Waveform, *, ceiling: float, sample_rate: int) -> Waveform:
    """Return the gain ``(samples,)`` that keeps a mixture below a ceiling.

    The same gain on every stem keeps their sum what is heard.

    Args:
        mixture: ``(2, samples)``.
        ceiling: the highest value wanted, above 0.
        sample_rate: Hz.
    """
    width = 2 * round(LIMITER_SECONDS * sample_rate / 2) + 1
    loudest = ndimage.maximum_filter1d(np.abs(mixture).max(0), width)
    gain = np.minimum(1, ceiling / np.maximum(loudest, ceiling))
    # The mean of gains that are all low enough over its whole width is low enough, too.
    return np.asarray(ndimage.uniform_filter1d(gain, width), np.float32)


def reverberate(
    waveform: Waveform,
    *,
    seconds: float,
    level_db: float,
    sample_rate: int,
    rng: np.random.Generator,
) -> Waveform:
    """Return the waveform with the sound of a room: noise that decays, another on each side.

    Args:
        waveform: ``(2, samples)``.
        seconds: until the room's sound has decayed by 60 dB.
        level_db: of the room beside the waveform itself.
        sample_rate: Hz.
        rng: draws the room.

    Reference: J. A. Moorer, "About this reverberation business", Computer Music Journal 3(2),
    1979, section on exponentially decaying noise.
    """
    time = np.arange(max(2, round(seconds * sample_rate))) / sample_rate
    room = rng.standard_normal((2, len(time)), np.float32) * np.exp(-REVERB_DECAY * time / seconds)
    room[:, 0] = 0  # the sound itself is there
    room *= 10 ** (level_db / 20) / np.sqrt((room**2).sum(-1, keepdims=True))
    wet = signal.oaconvolve(waveform, room.astype(np.float32), axes=-1)
    return np.asarray(waveform + wet[:, : waveform.shape[1]], np.float32)


def _smooth(values: Waveform, seconds: float, sample_rate: int) -> Waveform:
    """Return a one-pole low-pass of ``values``, as if they had always had their mean."""
    keep = math.exp(-1 / (seconds * sample_rate))
    before = [keep * float(values.mean())]
    return np.asarray(signal.lfilter([1 - keep], [1, -keep], values, zi=before)[0], np.float32)
