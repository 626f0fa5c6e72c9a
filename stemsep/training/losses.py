"""How far estimated stems are from the true ones: as spectra, as magnitudes, as waveforms.

Spectra come as planes, the real parts and the imaginary ones: real arithmetic on contiguous memory
takes a third of the time of complex tensors in a training step. Each loss gives a value for each
stem of each example, so that stems can be weighted, and left out where they cannot be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stemsep.dsp import Planes, STFTConfig, istft, planes, stft
from stemsep.errors import ParameterError

__all__ = [
    "LossConfig",
    "apply_to_planes",
    "complex_l1",
    "log_l2",
    "magnitude_l1",
    "magnitude_l2",
    "multi_resolution",
    "separation_loss",
    "si_sdr",
    "waveform_l1",
]

EPSILON = 1e-8
QUIET = 1e-3
"""Added to a mixture's level, so that silence is not divided by zero."""
THRESHOLD = 3e-3
"""Of `log_l2`: an error this small a part of the mixture's energy (-25 dB) is good enough."""


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss of a separator: a sum of the losses of this module, each times its weight.

    Args:
        complex_l1: weight of `complex_l1`.
        log_l2: weight of `log_l2`, whose unit is a dB.
        magnitude_l1: weight of `magnitude_l1`.
        magnitude_l2: weight of `magnitude_l2`.
        multi_resolution: weight of `multi_resolution`.
        waveform_l1: weight of `waveform_l1`.
        si_sdr: weight of `si_sdr`, whose unit is a dB.
        resolutions: window lengths of the multi-resolution loss, in samples.
        stems: stem -> its weight, 1 for those not named.

    Raises:
        ParameterError: a negative weight, none above 0, or a window that cannot be.
    """

    complex_l1: float = 1.0
    log_l2: float = 0.0
    magnitude_l1: float = 0.0
    magnitude_l2: float = 0.0
    multi_resolution: float = 0.0
    waveform_l1: float = 0.0
    si_sdr: float = 0.0
    resolutions: Sequence[int] = (512, 1024, 2048)
    stems: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weights = {name: getattr(self, name) for name in LOSSES}
        for name, weight in {**weights, **self.stems}.items():
            if not weight >= 0:
                raise ParameterError(f"{name} = {weight}: a weight must be 0 or more")
        if not any(weights.values()):
            raise ParameterError(f"no loss: give one of {', '.join(weights)} a weight above 0")
        for length in self.resolutions:
            STFTConfig(n_fft=length, hop_length=length // 4)

    @property
    def needs_waveform(self) -> bool:
        """Whether estimates have to be turned into waveforms."""
        return bool(self.multi_resolution or self.waveform_l1 or self.si_sdr)


LOSSES = (
    "complex_l1",
    "log_l2",
    "magnitude_l1",
    "magnitude_l2",
    "multi_resolution",
    "waveform_l1",
    "si_sdr",
)


def apply_to_planes(masks: Tensor, mixture: Planes) -> Planes:
    """Return masked spectra ``(batch, stems, channels, freq, time)``.

    Args:
        masks: ``(batch, stems, channels, freq, time)``, real or complex.
        mixture: ``(batch, channels, freq, time)``.
    """
    real, imaginary = mixture.real[:, None], mixture.imaginary[:, None]
    if not masks.is_complex():
        return Planes(masks * real, masks * imaginary)
    mask = planes(masks)
    return Planes(
        mask.real * real - mask.imaginary * imaginary,
        mask.real * imaginary + mask.imaginary * real,
    )


def separation_loss(
    *,
    masks: Tensor,
    mixture: Planes,
    stems: Tensor,
    reference: Planes,
    weight: Tensor,
    config: LossConfig,
    transform: STFTConfig,
) -> Tensor:
    """Return the weighted sum of the losses that ``config`` asks for, the mean of the examples.

    All is divided by the level of each mixture, so that quiet and loud excerpts count alike.

    Args:
        masks: ``(batch, stems, channels, freq, time)`` of the trained bins.
        mixture: its spectra ``(batch, channels, freq, time)`` of these bins.
        stems: true waveforms ``(batch, stems, channels, samples)``.
        reference: their spectra ``(batch, stems, channels, freq, time)`` of the trained bins.
        weight: ``(batch, stems)``: 0 for a stem that is not to be learned from.
        config: which losses.
        transform: of the spectra.
    """
    level = (mixture.real.abs() + mixture.imaginary.abs()).mean((1, 2, 3), keepdim=True) / 2 + QUIET
    mixture = Planes(*(plane / level for plane in mixture))
    reference = Planes(*(plane / level[:, None] for plane in reference))
    estimate = apply_to_planes(masks, mixture)
    total = torch.zeros_like(weight)
    for name, loss in SPECTRAL.items():
        if factor := getattr(config, name):
            total = total + factor * loss(estimate=estimate, reference=reference)
    if config.needs_waveform:
        total = total + _waveform_losses(
            _waveform(estimate, transform, stems.shape[-1]), stems / level[:, None, 0], config
        )
    return (total * weight).mean()


def complex_l1(*, estimate: Planes, reference: Planes) -> Tensor:
    """Return the mean absolute error of the real plus that of the imaginary part.

    Args:
        estimate: ``(batch, stems, channels, freq, time)``.
        reference: the same shape.

    Returns:
        ``(batch, stems)``, as of all losses here.
    """
    pairs = zip(estimate, reference, strict=True)
    errors = [(guess - truth).abs().mean(dim=(2, 3, 4)) for guess, truth in pairs]
    return errors[0] + errors[1]


def log_l2(*, estimate: Planes, reference: Planes) -> Tensor:
    """Return the level of the error beside that of the mixture, in dB above `THRESHOLD`.

    A dB counts alike in a loud stem and in a quiet one, as it does in an SDR, and the best mask is
    the mean of those that are likely, where that of L1 is their median. A silent reference is no
    exception. The arguments are as of `complex_l1`; the mixture is the sum of the stems.

    Reference: S. Wisdom et al., "What's all the fuss about free universal sound separation data?",
    ICASSP 2021 (arXiv 2011.00803), whose loss this is but for a constant.
    """
    pairs = zip(estimate, reference, strict=True)
    errors = [(guess - truth).square().sum(dim=(2, 3, 4)) for guess, truth in pairs]
    # Turned: in this order a sum of stems takes an eighth of the time.
    parts = [truth.mT.sum(1, keepdim=True).square().sum(dim=(2, 3, 4)) for truth in reference]
    error, mixture = errors[0] + errors[1], parts[0] + parts[1]
    return 10 * torch.log10(error / (mixture + EPSILON) / THRESHOLD + 1)


def magnitude_l1(*, estimate: Planes, reference: Planes) -> Tensor:
    """Return the mean absolute error of magnitudes; the arguments are as of `complex_l1`.

    Reference: A. Jansson et al., "Singing voice separation with deep U-Net convolutional
    networks", ISMIR 2017, equation 1.
    """
    return (_magnitude(estimate) - reference.magnitude()).abs().mean(dim=(2, 3, 4))


def magnitude_l2(*, estimate: Planes, reference: Planes) -> Tensor:
    """Return the mean squared error of magnitudes; the arguments are as of `complex_l1`."""
    return (_magnitude(estimate) - reference.magnitude()).square().mean(dim=(2, 3, 4))


SPECTRAL = {
    "complex_l1": complex_l1,
    "log_l2": log_l2,
    "magnitude_l1": magnitude_l1,
    "magnitude_l2": magnitude_l2,
}


def waveform_l1(*, estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean absolute error.

    Args:
        estimate: ``(batch, stems, channels, samples)``.
        reference: the same shape.
    """
    return (estimate - reference).abs().mean(dim=(2, 3))


def si_sdr(*, estimate: Tensor, reference: Tensor) -> Tensor:
    """Return minus the scale-invariant SDR in dB; 0 where the reference is silent.

    The arguments are as of `waveform_l1`; the channels of a stem are one signal.

    Reference: J. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019 (arXiv 1811.02508),
    equation 5.
    """
    guess, truth = estimate.flatten(2), reference.flatten(2)  # (batch, stems, channels * samples)
    energy = truth.square().sum(-1, keepdim=True)
    target = (guess * truth).sum(-1, keepdim=True) / (energy + EPSILON) * truth
    error = (guess - target).square().sum(-1)
    ratio = 10 * torch.log10((target.square().sum(-1) + EPSILON) / (error + EPSILON))
    return torch.where(energy[..., 0] > EPSILON, -ratio, torch.zeros_like(ratio))


def multi_resolution(*, estimate: Tensor, reference: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return spectral convergence plus log-magnitude L1, the mean of several window lengths.

    Args:
        estimate: ``(batch, stems, channels, samples)``.
        reference: the same shape.
        lengths: of the windows; the hop is a quarter of each.

    Reference: R. Yamamoto, E. Song, J.-M. Kim, "Parallel WaveGAN", ICASSP 2020 (arXiv 1910.11480),
    equations 4 to 6. The norm of the convergence has 1 added under the root, as silence has none.
    """
    total = torch.zeros_like(estimate[..., 0, 0])
    for length in lengths:
        config = STFTConfig(n_fft=length, hop_length=length // 4)
        guess = _magnitude(planes(stft(estimate, config)))
        truth = planes(stft(reference, config)).magnitude()
        error = (guess - truth).square().sum(dim=(2, 3, 4))
        convergence = (error / (truth.square().sum(dim=(2, 3, 4)) + 1) + EPSILON).sqrt()
        distance = torch.log((guess + QUIET) / (truth + QUIET)).abs().mean(dim=(2, 3, 4))
        total = total + convergence + distance
    return total / len(lengths)


def _waveform_losses(estimate: Tensor, reference: Tensor, config: LossConfig) -> Tensor:
    total = torch.zeros_like(estimate[..., 0, 0])
    if config.waveform_l1:
        total = total + config.waveform_l1 * waveform_l1(estimate=estimate, reference=reference)
    if config.si_sdr:
        total = total + config.si_sdr * si_sdr(estimate=estimate, reference=reference)
    if config.multi_resolution:
        total = total + config.multi_resolution * multi_resolution(
            estimate=estimate, reference=reference, lengths=config.resolutions
        )
    return total


def _waveform(spectrum: Planes, transform: STFTConfig, samples: int) -> Tensor:
    """Return ``(batch, stems, channels, samples)``; the bins that are not trained are silent."""
    missing = transform.n_freq - spectrum.real.shape[-2]
    whole = [torch.nn.functional.pad(plane, (0, 0, 0, missing)) for plane in spectrum]
    return istft(torch.complex(*whole), transform, length=samples)


def _magnitude(spectrum: Planes) -> Tensor:
    # The gradient of a root at 0 is not finite.
    return (spectrum.real.square() + spectrum.imaginary.square() + EPSILON**2).sqrt()
