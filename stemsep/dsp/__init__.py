"""Waveform <-> spectrum, and masks or stems' spectra -> better ones.

Takes: waveforms ``(…, samples)``. Gives: complex spectra ``(…, freq, time)``, and back.
Next stage: `stemsep.models` (magnitudes -> masks).
"""

from stemsep.dsp.planes import Planes, planes
from stemsep.dsp.repetition import repeated_masks
from stemsep.dsp.spatial import spatial_filter
from stemsep.dsp.stft import ISTFT, STFT, STFTConfig, istft, n_frames, stft
from stemsep.dsp.wiener import wiener, wiener_scale

__all__ = [
    "ISTFT",
    "STFT",
    "Planes",
    "STFTConfig",
    "istft",
    "n_frames",
    "planes",
    "repeated_masks",
    "spatial_filter",
    "stft",
    "wiener",
    "wiener_scale",
]
