"""Waveform <-> spectrum: the short-time Fourier transform and its exact inverse.

Takes ``(…, samples)`` real waveforms, gives ``(…, freq, time)`` complex spectra, and back.
Frame ``t`` is centred on sample ``t * hop_length``. The two halves are also there without the
centring (`analyse`, `synthesise`, `window_energy`), because a song that is cut into chunks has
frames whose neighbours live in another chunk. No knowledge of stems or files.

Reference: D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform",
IEEE TASSP 32(2), 1984, equation 6 (the least-squares inverse).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemsep.errors import ParameterError, check_choices

__all__ = [
    "ISTFT",
    "STFT",
    "STFTConfig",
    "analyse",
    "istft",
    "n_frames",
    "stft",
    "synthesise",
    "window_energy",
]


@dataclass(frozen=True, kw_only=True)
class STFTConfig:
    """Sizes of the transform, in samples, and the window, which has ``n_fft``.

    Args:
        n_fft: of a frame.
        hop_length: from one frame to the next.
        window: a periodic Hann window, or none, which some published networks were trained with.

    Raises:
        ParameterError: sizes that are not positive, an odd ``n_fft``, or a ``hop_length`` that does
            not divide ``n_fft`` at least twice. (With just twice, the only Hann window over the
            last samples of some lengths is nearly 0 there, and float32 gives the inverse of those
            samples within 5 % only; from three times on the inverse is exact everywhere.)
    """

    n_fft: int = 4096
    hop_length: int = 1024
    window: Literal["hann", "rectangular"] = "hann"

    def __post_init__(self) -> None:
        check_choices(self)
        if self.n_fft < 2 or self.n_fft % 2:
            raise ParameterError(f"n_fft = {self.n_fft}: it must be an even number of 2 or more")
        if self.hop_length < 1 or self.n_fft % self.hop_length or self.n_fft < 2 * self.hop_length:
            raise ParameterError(
                f"hop_length = {self.hop_length}: it must divide n_fft = {self.n_fft}, "
                "at least twice"
            )

    @property
    def n_freq(self) -> int:
        """Number of frequency bins, 0 Hz to half the sample rate."""
        return self.n_fft // 2 + 1


def n_frames(samples: int, config: STFTConfig) -> int:
    """Number of STFT frames of a waveform with that many samples (at least 1)."""
    return 1 + max(samples, config.n_fft // 2 + 1) // config.hop_length


def stft(waveform: Tensor, config: STFTConfig) -> Tensor:
    """Return the complex spectrum of a waveform, centred frames, reflect padding at the ends.

    Equal to ``librosa.stft(pad_mode="reflect")`` above ``n_fft / 2`` samples; a shorter waveform
    is first padded with zeros to ``n_fft / 2 + 1`` samples, because it has too little to reflect.

    Args:
        waveform: ``(…, samples)``, real, at least one sample.
        config: sizes of the transform.

    Returns:
        ``(…, freq, time)``, complex, ``n_frames(samples, config)`` frames.

    Raises:
        ParameterError: a waveform without samples.
    """
    samples = waveform.shape[-1] if waveform.ndim else 0
    if samples == 0:
        raise ParameterError("stft needs a waveform with at least one sample")
    half = config.n_fft // 2
    flat = waveform.reshape(-1, samples)  # (items, samples)
    flat = functional.pad(flat, (0, max(0, half + 1 - samples)))
    flat = functional.pad(flat, (half, half), mode="reflect")
    spectrum = analyse(flat, config)
    return spectrum.reshape(*waveform.shape[:-1], *spectrum.shape[-2:])


def istft(spectrum: Tensor, config: STFTConfig, *, length: int) -> Tensor:
    """Return the waveform whose STFT is nearest to ``spectrum`` in the least-squares sense.

    Args:
        spectrum: ``(…, freq, time)``, complex, as `stft` gives it.
        config: sizes of the transform.
        length: number of samples of the result.

    Returns:
        ``(…, length)``, real.

    Raises:
        ParameterError: ``spectrum`` has another number of bins or frames than a waveform of
            ``length`` samples has.
    """
    expected = (config.n_freq, n_frames(length, config))
    if tuple(spectrum.shape[-2:]) != expected or length < 1:
        raise ParameterError(
            f"istft of {length} samples needs (freq, time) = {expected}, "
            f"got {tuple(spectrum.shape[-2:])}"
        )
    half = config.n_fft // 2
    energy = window_energy(spectrum.new_ones(expected[1], dtype=spectrum.real.dtype), config)
    waveform = synthesise(spectrum, config)
    return waveform[..., half : half + length] / energy[half : half + length]


def analyse(waveform: Tensor, config: STFTConfig) -> Tensor:
    """Return the spectra of all whole frames of ``waveform``, the first starting at sample 0.

    Args:
        waveform: ``(…, samples)`` with ``samples`` of at least ``n_fft``.
        config: sizes of the transform.

    Returns:
        ``(…, freq, time)``, complex, ``1 + (samples - n_fft) // hop_length`` frames.
    """
    frames = waveform.unfold(-1, config.n_fft, config.hop_length)  # (…, time, n_fft)
    spectrum: Tensor = torch.fft.rfft(frames * _window(config, waveform), dim=-1)
    return spectrum.transpose(-1, -2)


def synthesise(spectrum: Tensor, config: STFTConfig) -> Tensor:
    """Return the windowed frames of ``spectrum``, overlapped and added: `analyse` turned round.

    The result still carries the squared window; divide by `window_energy` where that is above 0.

    Args:
        spectrum: ``(…, freq, time)``, complex.
        config: sizes of the transform.

    Returns:
        ``(…, (time - 1) * hop_length + n_fft)``, real.
    """
    frames = torch.fft.irfft(spectrum.transpose(-1, -2), n=config.n_fft, dim=-1)
    return _overlap_add(frames * _window(config, frames), config)


def window_energy(present: Tensor, config: STFTConfig) -> Tensor:
    """Return the sum of the squared windows over each sample that `synthesise` gives.

    Args:
        present: ``(time,)``, 1 for a frame that exists and 0 for one that does not (a place
            before the first or after the last frame of a song).
        config: sizes of the transform.

    Returns:
        ``((time - 1) * hop_length + n_fft,)``.
    """
    return _overlap_add(present[:, None] * _window(config, present).square(), config)


def _overlap_add(frames: Tensor, config: STFTConfig) -> Tensor:
    hop, overlap = config.hop_length, config.n_fft // config.hop_length
    blocks = torch.unflatten(frames, -1, (overlap, hop))  # (…, time, overlap, hop)
    time = frames.shape[-2]
    total = frames.new_zeros(*frames.shape[:-2], time + overlap - 1, hop)
    for shift in range(overlap):
        total[..., shift : shift + time, :] += blocks[..., shift, :]
    return total.flatten(-2)


def _window(config: STFTConfig, like: Tensor) -> Tensor:
    if config.window == "rectangular":
        return torch.ones(config.n_fft, dtype=like.dtype, device=like.device)
    return torch.hann_window(config.n_fft, periodic=True, dtype=like.dtype, device=like.device)


class STFT(nn.Module):
    """`stft` as a module, for networks that take waveforms."""

    def __init__(self, config: STFTConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the spectrum ``(…, freq, time)`` of a waveform ``(…, samples)``."""
        return stft(waveform, self.config)


class ISTFT(nn.Module):
    """`istft` as a module."""

    def __init__(self, config: STFTConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, spectrum: Tensor, length: int) -> Tensor:
        """Return the waveform ``(…, length)`` of a spectrum ``(…, freq, time)``."""
        return istft(spectrum, self.config, length=length)
