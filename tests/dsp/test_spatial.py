"""Against the formula in plain NumPy loops, and by what a filter of this kind has to do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsep.dsp import spatial_filter
from stemsep.dsp.spatial import DIFFUSE, FILTERED, FRAMES_AT_ONCE, LEARNED
from stemsep.errors import ParameterError


def spectrum(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=generator(seed))


def softmax_masks(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed)).mul(2).softmax(1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_the_formula(masks: np.ndarray, mixture: np.ndarray, every: int) -> np.ndarray:
    """Return what the docstring says, one time and frequency after the other."""
    stems, _, bins, frames = masks.shape
    power = (masks * np.abs(mixture) ** 2).sum(1)
    shares = power / power.sum(0)
    result = np.zeros(masks.shape, complex)
    for f in range(bins):
        x = mixture[:, f]
        matrices = []
        for j in range(stems):
            products = [
                shares[j, f, t] ** 2 * np.outer(x[:, t], x[:, t].conj())
                for t in range(0, frames, every)
            ]
            covariance = np.sum(products, 0)
            matrices.append(2 * covariance / np.trace(covariance) + DIFFUSE * np.eye(2))
        for t in range(frames):
            model = sum(shares[j, f, t] * matrices[j] for j in range(stems))
            for j in range(stems):
                filtered = shares[j, f, t] * matrices[j] @ np.linalg.inv(model) @ x[:, t]
                masked = masks[j, :, f, t] * x[:, t]
                result[j, :, f, t] = filtered if f <= bins // FILTERED else masked
    return result


def test_it_is_the_formula():
    frames = FRAMES_AT_ONCE + 3
    masks, mixture = softmax_masks(2, 3, 2, 9, frames, seed=0), spectrum(2, 2, 9, frames, seed=1)
    found = spatial_filter(masks, mixture)
    for item in range(2):
        expected = by_the_formula(masks[item].numpy(), mixture[item].numpy(), LEARNED)
        np.testing.assert_allclose(found[item].numpy(), expected, rtol=1e-9, atol=1e-12)
    part = spatial_filter(masks, mixture, frames=slice(2, 9))
    torch.testing.assert_close(part, found[..., 2:9], rtol=1e-12, atol=0)


@given(seed=st.integers(0, 1000), stems=st.integers(1, 5), frames=st.integers(1, 70))
def test_stems_sum_to_the_mixture_and_do_not_depend_on_its_level(seed, stems, frames):
    masks = softmax_masks(1, stems, 2, 3, frames, seed=seed)
    mixture = spectrum(1, 2, 3, frames, seed=seed + 1)
    found = spatial_filter(masks, mixture)
    torch.testing.assert_close(found.sum(1), mixture, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(spatial_filter(masks, 1e-3 * mixture), 1e-3 * found)


@given(balance=st.floats(-1, 1), seed=st.integers(0, 1000))
def test_where_all_stems_lie_alike_the_filter_is_the_mask(balance, seed):
    """A song in mono, panned anywhere, in single precision, too."""
    masks = softmax_masks(1, 4, 1, 5, 40, seed=seed).expand(-1, -1, 2, -1, -1).float()
    song = spectrum(1, 1, 5, 40, seed=seed).to(torch.complex64)
    mixture = song * torch.tensor([1 + min(balance, 0), 1 - max(balance, 0)])[None, :, None, None]
    expected = masks * mixture[:, None]
    torch.testing.assert_close(spatial_filter(masks, mixture), expected, rtol=0, atol=1e-3)


def test_stems_that_lie_apart_are_taken_apart():
    """A stem in the middle and one at the left, masks that know little more than who is louder."""
    middle, left = spectrum(1, 1, 20, 60, seed=4), spectrum(1, 1, 20, 60, seed=5)
    true = torch.stack(
        [middle.expand(-1, 2, -1, -1), left * torch.tensor([1, 0])[:, None, None]], 1
    )
    mixture = true.sum(1)
    power = true.abs().square().sum(2, keepdim=True)
    masks = (power / power.sum(1, keepdim=True)).expand(-1, -1, 2, -1, -1)
    low = 20 // FILTERED + 1
    before, after = (
        float((guess - true)[..., :low, :].abs().square().mean())
        for guess in (masks * mixture[:, None], spatial_filter(masks, mixture))
    )
    assert after < before / 2


def test_silence_stays_silent_and_quiet_songs_finite():
    masks = softmax_masks(1, 3, 2, 5, 8, seed=6).float()
    silent = torch.zeros(1, 2, 5, 8, dtype=torch.complex64)
    assert not spatial_filter(masks, silent).any()
    for level in (1e-25, 1e-12):
        quiet = level * spectrum(1, 2, 5, 8, seed=7).to(torch.complex64)
        assert torch.isfinite(torch.view_as_real(spatial_filter(masks, quiet))).all()
    one = silent.clone()
    one[..., 3] = 1
    assert not spatial_filter(masks, one)[..., :3].any()


@pytest.mark.parametrize(
    ("masks", "mixture"),
    [
        (torch.rand(1, 3, 1, 4, 5), torch.rand(1, 1, 4, 5)),
        (torch.rand(1, 3, 2, 4, 5), torch.rand(1, 2, 4, 6)),
        (torch.rand(3, 2, 4, 5), torch.rand(1, 2, 4, 5)),
        (torch.rand(1, 3, 2, 4, 5) * 1j, torch.rand(1, 2, 4, 5)),
    ],
)
def test_what_does_not_fit_is_told(masks, mixture):
    with pytest.raises(ParameterError, match="do not fit the mixture"):
        spatial_filter(masks, mixture.to(torch.complex64))
