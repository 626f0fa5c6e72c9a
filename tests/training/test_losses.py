import pytest
import torch

from stemsep.training.losses import complex_l1, planes


def example(seed=0, level=1.0):
    generator = torch.Generator().manual_seed(seed)
    reference = level * torch.randn(3, 4, 2, 5, 6, dtype=torch.complex128, generator=generator)
    masks = torch.rand(3, 4, 2, 5, 6, dtype=torch.float64, generator=generator)
    return masks, reference


def loss(masks, reference):
    return complex_l1(
        masks=masks, mixture=planes(reference.sum(1)), reference=planes(reference)
    ).item()


def test_planes_are_the_real_and_then_the_imaginary_part():
    spectrum = torch.tensor([1 + 2j, 3 - 4j])
    assert planes(spectrum).tolist() == [[1, 3], [2, -4]]
    assert planes(spectrum).is_contiguous()


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
    value = complex_l1(masks=masks, mixture=planes(silence.sum(1)), reference=planes(silence))
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(masks.grad).all()
