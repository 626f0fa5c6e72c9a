import numpy as np
import pytest
import torch

from stemsep.dsp import STFTConfig, planes, stft
from stemsep.errors import ParameterError
from stemsep.training import losses
from stemsep.training.losses import LossConfig, apply_to_planes, separation_loss

TRANSFORM = STFTConfig(n_fft=16, hop_length=4)


def example(seed=0, level=1.0):
    generator = torch.Generator().manual_seed(seed)
    reference = level * torch.randn(3, 4, 2, 5, 6, dtype=torch.complex128, generator=generator)
    masks = torch.rand(3, 4, 2, 5, 6, dtype=torch.float64, generator=generator)
    return masks, reference


def loss(masks, reference, *, weight=None, **config):
    stems = torch.zeros(3, 4, 2, 20, dtype=torch.float64)
    value = separation_loss(
        masks=masks,
        mixture=planes(reference.sum(1)),
        stems=stems[: len(reference)],
        reference=planes(reference),
        weight=torch.ones(len(reference), 4, dtype=torch.float64) if weight is None else weight,
        config=LossConfig(**config),
        transform=TRANSFORM,
    )
    return value.item()


def test_the_loss_is_that_of_complex_arithmetic():
    masks, reference = example()
    mixture = reference.sum(1)
    expected = 0.0
    for i in range(3):
        parts = torch.cat([mixture[i].real, mixture[i].imag])
        error = (masks[i] * mixture[i] - reference[i]) / (parts.abs().mean() + 1e-3)
        expected += (error.real.abs() + error.imag.abs()).mean().item() / 3
    assert loss(masks, reference) == pytest.approx(expected, rel=1e-12)  # float64


def test_true_masks_cost_nothing():
    reference = example()[1]
    reference = (
        reference.sum(1, keepdim=True)
        * torch.tensor([0.5, 0.25, 0.25, 0.0])[None, :, None, None, None]
    )
    masks = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64)[:, None, None, None]
    assert loss(masks.expand(3, 4, 2, 5, 6), reference) == pytest.approx(0, abs=1e-12)


def test_the_loss_does_not_depend_on_the_level():
    # Levels of about 10 and 1000, beside which the 1e-3 against division by zero is 1e-4.
    quiet, loud = example(level=10.0), example(level=1000.0)
    assert loss(*quiet) == pytest.approx(loss(*loud), rel=2e-4)


def test_each_excerpt_counts_by_its_own_level():
    masks, reference = example(level=100.0)
    scaled = reference * torch.tensor([1.0, 10.0, 100.0])[:, None, None, None, None]
    assert loss(masks, scaled) == pytest.approx(loss(masks, reference), rel=1e-4)


def test_silence_costs_nothing_and_has_a_finite_gradient():
    masks = torch.full((1, 4, 2, 5, 6), 0.25, requires_grad=True)
    silence = torch.zeros(1, 4, 2, 5, 6, dtype=torch.complex64)
    everything = dict.fromkeys(losses.LOSSES, 1.0)
    value = separation_loss(
        masks=masks,
        mixture=planes(silence.sum(1)),
        stems=torch.zeros(1, 4, 2, 20),
        reference=planes(silence),
        weight=torch.ones(1, 4),
        config=LossConfig(**everything, resolutions=[8]),
        transform=TRANSFORM,
    )
    value.backward()
    assert value.item() == pytest.approx(0, abs=2e-4)  # the epsilon under the root
    assert torch.isfinite(masks.grad).all()


def test_complex_masks_are_multiplied_as_complex_numbers():
    masks, reference = example()
    complex_masks = torch.complex(masks, 0.3 - masks)
    product = apply_to_planes(complex_masks, planes(reference.sum(1)))
    expected = complex_masks * reference.sum(1)[:, None]
    assert torch.allclose(torch.complex(*product), expected)


def test_weights_count_stem_by_stem_and_none_means_nothing():
    masks, reference = example()
    parts = []
    for stem in range(4):
        weight = torch.zeros(3, 4, dtype=torch.float64)
        weight[:, stem] = 1
        parts.append(loss(masks, reference, weight=weight))
    assert sum(parts) == pytest.approx(loss(masks, reference), rel=1e-12)
    assert len(set(parts)) == 4
    assert loss(masks, reference, weight=torch.zeros(3, 4, dtype=torch.float64)) == 0


def test_magnitude_losses_are_those_of_magnitudes():
    masks, reference = example()
    estimate = apply_to_planes(masks, planes(reference.sum(1)))
    difference = (masks * reference.sum(1)[:, None]).abs() - reference.abs()
    l1 = losses.magnitude_l1(estimate=estimate, reference=planes(reference))
    l2 = losses.magnitude_l2(estimate=estimate, reference=planes(reference))
    assert l1.shape == (3, 4)
    assert torch.allclose(l1, difference.abs().mean((2, 3, 4)))
    assert torch.allclose(l2, difference.square().mean((2, 3, 4)))


def test_log_l2_is_the_level_of_the_error_above_the_threshold():
    masks, reference = example()
    reference[:, 2] = 0  # a silent stem is learned from as well
    mixture = reference.sum(1)
    estimate = apply_to_planes(masks, planes(mixture))
    value = losses.log_l2(estimate=estimate, reference=planes(reference))
    error = (masks * mixture[:, None] - reference).abs().square().sum((2, 3, 4))
    ratio = error / mixture.abs().square().sum((1, 2, 3))[:, None]
    floor = 10 * np.log10(losses.THRESHOLD)
    assert torch.allclose(value, 10 * torch.log10(ratio + losses.THRESHOLD) - floor, rtol=1e-6)
    perfect = losses.log_l2(estimate=planes(reference), reference=planes(reference))
    assert perfect.abs().max() == 0


def waveforms(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 2, 600, dtype=torch.float64, generator=generator)


def test_si_sdr_is_the_ratio_by_construction_whatever_the_level():
    reference = waveforms()
    noise = waveforms(1)
    flat = reference.flatten(2)
    # Noise at right angles to the signal, a tenth of its amplitude: 20 dB.
    along = (noise.flatten(2) * flat).sum(-1, keepdim=True) / flat.square().sum(-1, keepdim=True)
    noise = noise - along[..., None] * reference
    noise *= 0.1 * (flat.norm(dim=-1) / noise.flatten(2).norm(dim=-1))[..., None, None]
    for gain in (0.1, 3.0):
        value = losses.si_sdr(estimate=gain * (reference + noise), reference=reference)
        assert torch.allclose(value, torch.full((2, 3), -20.0, dtype=torch.float64), atol=1e-5)


def test_si_sdr_leaves_silent_stems_out():
    reference = waveforms()
    reference[:, 1] = 0
    value = losses.si_sdr(estimate=waveforms(1), reference=reference)
    assert (value[:, 1] == 0).all()
    assert (value[:, [0, 2]] != 0).all()


def test_the_multi_resolution_loss_is_that_of_its_paper():
    estimate, reference = waveforms(), waveforms(1)
    value = losses.multi_resolution(estimate=estimate, reference=reference, lengths=[32, 64])
    expected = []
    for length in (32, 64):
        config = STFTConfig(n_fft=length, hop_length=length // 4)
        guess, truth = (stft(w, config).abs() for w in (estimate, reference))
        flat = (guess - truth).flatten(2).norm(dim=-1) / truth.flatten(2).norm(dim=-1)
        expected.append(flat + (guess.log() - truth.log()).abs().mean((2, 3, 4)))
    # The 1 under the root and the 1e-3 in the logarithm are small beside these levels.
    assert torch.allclose(value, sum(expected) / 2, rtol=0.02)
    same = losses.multi_resolution(estimate=reference, reference=reference, lengths=[32])
    assert same.max() < 2e-4


def test_waveform_losses_see_the_whole_spectrum_and_nothing_above_the_trained_bins():
    generator = torch.Generator().manual_seed(0)
    stems = torch.randn(2, 4, 2, 20 * 4, generator=generator)
    # Band-limited to the trained bins, the true masks give the true stems.
    spectrum = stft(stems, TRANSFORM)
    share = (spectrum / spectrum.sum(1, keepdim=True)).to(torch.complex64)
    arguments = {
        "masks": share,
        "mixture": planes(spectrum.sum(1)),
        "reference": planes(spectrum),
        "weight": torch.ones(2, 4),
        "transform": TRANSFORM,
    }
    config = LossConfig(complex_l1=0.0, waveform_l1=1.0)
    exact = separation_loss(stems=stems, config=config, **arguments).item()
    assert exact == pytest.approx(0, abs=1e-4)  # float32
    assert separation_loss(stems=2 * stems, config=config, **arguments).item() > 0.1


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"complex_l1": -1.0}, "complex_l1 = -1.0"),
        ({"stems": {"bass": float("nan")}}, "bass = nan"),
        ({"complex_l1": 0.0}, "no loss: give one of complex_l1"),
        ({"resolutions": [7]}, "n_fft = 7"),
    ],
)
def test_an_impossible_loss_is_refused(values, match):
    with pytest.raises(ParameterError, match=match):
        LossConfig(**values)
