"""Waveform <-> spectrum, and stems' spectra -> better ones.

Takes: waveforms ``(…, samples)``. Gives: complex spectra ``(…, freq, time)``, and back.
Next stage: `stemsep.models` (magnitudes -> masks).
"""

from stemsep.dsp.stft import ISTFT, STFT, STFTConfig, istft, n_frames, stft
from stemsep.dsp.wiener import wiener, wiener_scale

__all__ = ["ISTFT", "STFT", "STFTConfig", "istft", "n_frames", "stft", "wiener", "wiener_scale"]
