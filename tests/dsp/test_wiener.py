"""Against the formula in plain NumPy loops, against values of norbert 0.2.1, and by properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsep.dsp.wiener import wiener, wiener_scale
from stemsep.errors import ParameterError

GOLDEN = Path(__file__).parents[1] / "golden" / "wiener" / "wiener.npz"


def random_complex(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def by_the_formula(estimates: np.ndarray, mixture: np.ndarray, iterations: int) -> np.ndarray:
    """Return what the docstring says, one time and frequency after the other."""
    stems, channels, bins, frames = estimates.shape
    eps = np.finfo(mixture.real.dtype).eps
    scale = max(1, np.abs(mixture).max() / 10)
    x, y = mixture / scale, estimates / scale
    for _ in range(iterations):
        power = (np.abs(y) ** 2).mean(1)
        new = np.empty_like(y)
        for f in range(bins):
            spatial = [
                sum(np.outer(y[j, :, f, t], y[j, :, f, t].conj()) for t in range(frames))
                / (power[j, f].sum() + eps)
                for j in range(stems)
            ]
            for t in range(frames):
                model = sum(power[j, f, t] * spatial[j] for j in range(stems))
                inverse = np.linalg.inv(model + np.sqrt(eps) * np.eye(channels))
                for j in range(stems):
                    new[j, :, f, t] = power[j, f, t] * spatial[j] @ inverse @ x[:, f, t]
        y = new
    return y * scale


@pytest.mark.parametrize("iterations", [0, 1, 2])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("scale", [0.1, 100])
def test_it_is_the_formula(channels, iterations, scale):
    generator = np.random.default_rng(channels)
    estimates = scale * random_complex(generator, 3, channels, 4, 6)
    mixture = estimates.sum(0) + 0.1 * scale * random_complex(generator, channels, 4, 6)
    expected = by_the_formula(estimates, mixture, iterations)
    got = wiener(
        torch.from_numpy(estimates)[None], torch.from_numpy(mixture)[None], iterations=iterations
    )
    assert np.allclose(got[0].numpy(), expected, rtol=1e-6, atol=1e-6 * scale)


def test_it_is_what_norbert_gives():
    golden = np.load(GOLDEN)
    # (frames, bins, channels, stems) -> (batch, stems, channels, bins, frames)
    given, expected = (
        torch.from_numpy(golden[name]).permute(3, 2, 1, 0)[None] for name in ("y", "result")
    )
    mixture = torch.from_numpy(golden["x"]).permute(2, 1, 0)[None]
    got = wiener(given, mixture, iterations=int(golden["iterations"]))
    assert (got - expected).abs().max() < 1e-9 * expected.abs().max()


@given(seed=st.integers(0, 100), bins=st.sampled_from([1, 255, 256, 257, 600]))
def test_items_and_frequencies_do_not_depend_on_each_other(seed, bins):
    generator = np.random.default_rng(seed)
    estimates = torch.from_numpy(random_complex(generator, 2, 2, 2, bins, 3))
    mixture = estimates.sum(1)
    whole = wiener(estimates, mixture, iterations=1)
    for item in range(2):
        # Scaled alike, as the loudest bin is in each part.
        loudest = mixture[item].abs().amax((0, 2)).argmax()
        chosen = sorted({0, int(loudest), bins - 1})
        alone = wiener(
            estimates[item : item + 1, :, :, chosen], mixture[item : item + 1, :, chosen]
        )
        assert torch.allclose(alone[0], whole[item][:, :, chosen], rtol=1e-9)


def test_stems_that_lie_apart_are_taken_apart():
    """Two sounds, left and right, which the estimates have mixed up a little."""
    generator = np.random.default_rng(0)
    true = torch.from_numpy(random_complex(generator, 1, 2, 2, 20, 50))
    true[:, 0, 1] = 0
    true[:, 1, 0] = 0
    estimates = 0.8 * true + 0.2 * true.flip(1)
    errors = [
        (wiener(estimates, true.sum(1), iterations=n) - true).abs().square().mean()
        for n in (0, 1, 2)
    ]
    assert errors[0] > 5 * errors[1] > 5 * errors[2]


def test_silence_stays_silent_and_finite():
    silent = torch.zeros(1, 3, 2, 5, 4, dtype=torch.complex64)
    result = wiener(silent, silent[:, 0], iterations=2)
    assert not result.any()


def test_single_precision_stays_close_to_double():
    generator = np.random.default_rng(1)
    estimates = torch.from_numpy(random_complex(generator, 1, 4, 2, 30, 40)) * 50
    mixture = estimates.sum(1)
    double = wiener(estimates, mixture, iterations=2)
    single = wiener(estimates.to(torch.complex64), mixture.to(torch.complex64), iterations=2)
    assert single.dtype == torch.complex64
    assert (single - double).abs().max() < 0.02 * double.abs().max()


@pytest.mark.parametrize(
    ("estimates", "mixture", "iterations"),
    [((1, 2, 2, 3, 4), (1, 2, 3, 4), -1), ((1, 2, 2, 3, 4), (1, 2, 3, 5), 1), ((2, 3), (2, 3), 1)],
)
def test_what_does_not_fit_is_told(estimates, mixture, iterations):
    with pytest.raises(ParameterError):
        wiener(
            torch.zeros(estimates, dtype=torch.complex64),
            torch.zeros(mixture, dtype=torch.complex64),
            iterations=iterations,
        )


def test_frames_are_cut_after_it_learned_from_all():
    generator = np.random.default_rng(5)
    estimates = torch.from_numpy(random_complex(generator, 1, 2, 2, 40, 9))
    mixture = estimates.sum(1)
    for iterations in (0, 2):
        whole = wiener(estimates, mixture, iterations=iterations)
        part = wiener(estimates, mixture, iterations=iterations, frames=slice(2, 7))
        assert torch.equal(part, whole[..., 2:7])


def test_some_frequencies_alone_with_the_scale_of_all():
    generator = np.random.default_rng(6)
    estimates = 100 * torch.from_numpy(random_complex(generator, 1, 2, 2, 40, 9))
    mixture = estimates.sum(1)
    part = wiener(estimates[..., 5:20, :], mixture[..., 5:20, :], scale=wiener_scale(mixture))
    assert torch.allclose(part, wiener(estimates, mixture)[..., 5:20, :], rtol=1e-10)
