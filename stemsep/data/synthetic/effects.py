"""What players and mixers do to a sound beyond `stemsep.data.effects`: amplifiers and echoes."""

from __future__ import annotations

import numpy as np

from stemsep.data.effects import filtered, high_pass, low_pass, peak
from stemsep.data.synthetic.oscillators import Floats

__all__ = ["distort", "echo"]


def distort(waveform: Floats, drive: float, cabinet_hz: float, sample_rate: int) -> Floats:
    """Return the sound of an overdriven amplifier and its loudspeaker.

    Args:
        waveform: ``(channels, samples)``.
        drive: gain before the valve, for sound of RMS 1.
        cabinet_hz: above it the loudspeaker falls off, by 24 dB an octave.
        sample_rate: Hz.
    """
    level = float(np.sqrt(np.mean(waveform**2))) + 1e-9
    tight = filtered(
        waveform * np.float32(drive / level), high_pass(hz=90, sample_rate=sample_rate)
    )
    # A little offset makes even harmonics, as one-sided valves do.
    driven = np.tanh(tight + np.float32(0.2)) - np.float32(np.tanh(0.2))
    speaker = [
        high_pass(hz=80, sample_rate=sample_rate),
        peak(hz=2500, gain_db=5, q=0.8, sample_rate=sample_rate),
        *[low_pass(hz=cabinet_hz, sample_rate=sample_rate)] * 2,
    ]
    return filtered(driven, np.concatenate(speaker))


def echo(waveform: Floats, *, seconds: float, feedback: float, sample_rate: int) -> Floats:
    """Return only the echoes, from side to side and duller than the sound.

    Args:
        waveform: ``(2, samples)``.
        seconds: between echoes.
        feedback: level of each, relative to the one before, 0 to 1.
        sample_rate: Hz.
    """
    delay = max(1, round(seconds * sample_rate))
    result = np.zeros_like(waveform)
    source = filtered(waveform, low_pass(hz=4000, sample_rate=sample_rate))
    for repeat in range(1, 6):
        late, level = repeat * delay, feedback**repeat
        if late >= waveform.shape[-1] or level < 0.02:
            break
        sides = np.array([[1.0], [0.4]] if repeat % 2 else [[0.4], [1.0]], np.float32)
        result[:, late:] += np.float32(level) * sides * source[:, :-late]
    return result
