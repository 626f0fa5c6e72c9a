"""Against the formula in plain NumPy loops, and by what repetitions have to do."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from stemsep.dsp import repeated_masks, repetition
from stemsep.dsp.repetition import BAND, CROWD, FILTERED, LIKENESS, LOUDNESS
from stemsep.errors import ParameterError


def low_bins(bins: int) -> int:
    return bins // FILTERED // BAND * BAND


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def softmax_masks(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed)).mul(2).softmax(1)


def spectrum(*shape: int, seed: int) -> torch.Tensor:
    """Few sounds, each of them a few times, and a little different each time."""
    sounds = torch.randn(*shape[:-1], 3, dtype=torch.complex128, generator=generator(seed))
    which = torch.randint(3, shape[-1:], generator=generator(seed))
    noise = torch.randn(*shape, dtype=torch.complex128, generator=generator(seed + 1))
    return sounds[..., which] + 0.1 * noise


def by_the_formula(masks: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Return what the docstring says, one time and frequency after the other."""
    _, _, bins, frames = masks.shape
    result, low = masks.copy(), low_bins(bins)
    x = np.abs(mixture[:, :low])
    mean = x.mean(0)
    level = (mean**2).sum() / mean.sum()
    loudness = np.pad(np.log1p(LOUDNESS * mean / level), [(0, 0), (1, 1)])
    for first in range(0, low, BAND):
        band = range(first, first + BAND)

        def distance(t: int, u: int, band: range = band) -> float:
            pairs = [(loudness[f, t + i], loudness[f, u + i]) for f in band for i in range(3)]
            return float(np.mean([(a - b) ** 2 for a, b in pairs]) / LIKENESS**2)

        for t in range(frames):
            apart = np.array([distance(t, u) for u in range(frames)])
            alike = np.exp(-apart).sum() - 1
            weights = np.exp(-(1 + alike / CROWD) * apart)
            for f in band:
                power = weights * x[:, f] ** 2
                result[:, :, f, t] = (masks[:, :, f] * power).sum(-1) / power.sum(-1)
    return result


def test_it_is_the_formula():
    masks, mixture = softmax_masks(2, 3, 2, 270, 9, seed=0), spectrum(2, 2, 270, 9, seed=1)
    found = repeated_masks(masks, mixture)
    for item in range(2):
        expected = by_the_formula(masks[item].numpy(), mixture[item].numpy())
        np.testing.assert_allclose(found[item].numpy(), expected, rtol=1e-8)
    assert (found - masks)[..., : low_bins(270), :].abs().mean() > 0.05


@given(seed=st.integers(0, 1000), stems=st.integers(1, 5), frames=st.integers(1, 40))
def test_masks_still_sum_to_one_and_do_not_depend_on_the_level(seed, stems, frames):
    masks = softmax_masks(1, stems, 2, 140, frames, seed=seed)
    mixture = spectrum(1, 2, 140, frames, seed=seed)
    found = repeated_masks(masks, mixture)
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
    assert found.min() >= 0
    torch.testing.assert_close(repeated_masks(masks, 1e-3 * mixture), found)


def test_a_sound_that_comes_again_has_one_mask_and_others_keep_theirs():
    """Frames 0 to 4 come again as 10 to 14, all else is heard once."""
    mixture = torch.randn(1, 2, 128, 20, dtype=torch.complex128, generator=generator(2))
    mixture *= 10 ** torch.rand(128, 20, dtype=torch.float64, generator=generator(4)).mul(2)
    mixture[..., 10:15] = mixture[..., :5]
    masks = softmax_masks(1, 4, 2, 128, 20, seed=3)
    found, low = repeated_masks(masks, mixture), low_bins(128)
    once = (masks[..., 1:4] + masks[..., 11:14]) / 2
    for start in (1, 11):  # the ends have other neighbours
        torch.testing.assert_close(
            found[..., :low, start : start + 3], once[..., :low, :], rtol=0, atol=0.01
        )
    torch.testing.assert_close(found[..., :low, 16:], masks[..., :low, 16:], rtol=0, atol=0.01)
    assert torch.equal(found[..., low:, :], masks[..., low:, :])


def test_noise_on_the_masks_of_what_repeats_averages_out():
    mixture = spectrum(1, 1, 128, 200, seed=4).expand(-1, 2, -1, -1)
    noisy = softmax_masks(1, 2, 2, 128, 200, seed=5)
    low = low_bins(128)
    before, after = (
        float((masks - 0.5)[..., :low, :].square().mean())
        for masks in (noisy, repeated_masks(noisy, mixture))
    )
    assert after < before / 5


def test_a_long_song_is_searched_a_span_at_a_time(monkeypatch):
    monkeypatch.setattr(repetition, "SPAN", 7)
    masks, mixture = softmax_masks(1, 3, 2, 128, 17, seed=6), spectrum(1, 2, 128, 17, seed=7)
    parts = [
        repeated_masks(masks[..., i : i + 7], mixture[..., i : i + 7]) for i in range(0, 17, 7)
    ]
    torch.testing.assert_close(repeated_masks(masks, mixture), torch.cat(parts, -1))


def test_silence_around_a_song_changes_nothing():
    """Of a song of which every other frame is nearly silent."""
    quiet = torch.tensor([1.0, 1e-4]).repeat(10)
    masks, mixture = (
        softmax_masks(1, 3, 2, 128, 20, seed=6),
        quiet * spectrum(1, 2, 128, 20, seed=7),
    )
    filled = [functional.pad(tensor, (30, 50)) for tensor in (masks, mixture)]
    found = repeated_masks(*filled)[..., 30:50]
    torch.testing.assert_close(found, repeated_masks(masks, mixture), rtol=1e-6, atol=0)


def test_silence_and_quiet_songs_stay_finite():
    masks = softmax_masks(1, 3, 2, 128, 8, seed=8).float()
    for level in (0, 1e-25, 1e-12, 1e6):
        mixture = level * spectrum(1, 2, 128, 8, seed=9).to(torch.complex64)
        found = repeated_masks(masks, mixture)
        torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))


def test_spectra_too_small_for_a_band_keep_their_masks():
    masks = softmax_masks(1, 3, 2, 127, 5, seed=8)
    assert torch.equal(repeated_masks(masks, spectrum(1, 2, 127, 5, seed=9)), masks)


@pytest.mark.parametrize(
    ("masks", "mixture"),
    [
        (torch.rand(1, 3, 2, 4, 5), torch.rand(1, 2, 4, 6)),
        (torch.rand(3, 2, 4, 5), torch.rand(1, 2, 4, 5)),
        (torch.rand(1, 3, 2, 4, 5) * 1j, torch.rand(1, 2, 4, 5)),
    ],
)
def test_what_does_not_fit_is_told(masks, mixture):
    with pytest.raises(ParameterError, match="do not fit the mixture"):
        repeated_masks(masks, mixture)
