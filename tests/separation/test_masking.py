import torch

from stemsep.dsp import repeated_masks, spatial_filter
from stemsep.separation.masking import (
    apply_masks,
    consistent_parts,
    filtered_stems,
    masked_parts,
)


def spectrum(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_masks_multiply_the_mixture_stem_by_stem():
    mixture, masks = spectrum(2, 2, 5, 7, seed=0), torch.rand(2, 3, 2, 5, 7)
    stems = apply_masks(masks, mixture)
    assert torch.equal(stems[1, 2], masks[1, 2] * mixture[1])
    assert torch.equal(apply_masks(1j * masks, mixture), 1j * masks * mixture[:, None])


def test_masks_that_sum_to_one_keep_the_mixture():
    mixture = spectrum(1, 2, 5, 7, seed=1)
    masks = torch.randn(1, 4, 2, 5, 7).softmax(1)
    assert torch.allclose(apply_masks(masks, mixture).sum(1), mixture, atol=1e-5)


def test_consistent_parts_sum_to_the_mixture():
    mixture, stems = spectrum(2, 2, 5, 7, seed=2), spectrum(2, 4, 2, 5, 7, seed=3)
    parts = list(consistent_parts(stems, mixture))
    assert [part.shape for part in parts] == [(2, 1, 2, 5, 7)] * 4
    assert torch.allclose(torch.cat(parts, 1).sum(1), mixture, atol=1e-5)


def test_masked_parts_are_the_masked_mixture_and_sum_to_it():
    mixture, masks = spectrum(2, 2, 5, 7, seed=4), torch.rand(2, 3, 2, 5, 7)
    parts = list(masked_parts(masks, mixture, sums_to_one=True))
    assert torch.equal(torch.cat(parts, 1), apply_masks(masks, mixture))
    made = torch.cat(list(masked_parts(masks, mixture, sums_to_one=False)), 1)
    assert torch.allclose(made.sum(1), mixture, atol=1e-5)


def test_the_residue_is_shared_by_energy():
    stems = torch.tensor([1.0, 2.0]).to(torch.complex64).reshape(1, 2, 1, 1, 1)
    mixture = torch.tensor([8.0]).to(torch.complex64).reshape(1, 1, 1, 1)
    shared = torch.cat(list(consistent_parts(stems, mixture))).flatten()
    assert torch.allclose(shared.real, torch.tensor([2.0, 6.0]))


def test_a_silent_stem_gets_nothing_of_the_residue():
    stems = torch.tensor([2.0, 0.0]).to(torch.complex64).reshape(1, 2, 1, 1, 1)
    mixture = torch.tensor([3.0]).to(torch.complex64).reshape(1, 1, 1, 1)
    shared = torch.cat(list(consistent_parts(stems, mixture))).flatten()
    assert torch.allclose(shared.real, torch.tensor([3.0, 0.0]), atol=1e-6)


def test_stems_are_filtered_with_masks_that_agree_on_what_repeats():
    mixture, masks = spectrum(1, 2, 130, 30, seed=5), torch.randn(1, 3, 2, 130, 30).softmax(1)
    found = filtered_stems(masks, mixture, frames=slice(3, 20))
    agreed = repeated_masks(masks, mixture)
    torch.testing.assert_close(found, spatial_filter(agreed, mixture)[..., 3:20])
    assert not torch.allclose(found, spatial_filter(masks, mixture)[..., 3:20], atol=0.05)
    assert torch.allclose(found.sum(1), mixture[..., 3:20], atol=1e-5)
