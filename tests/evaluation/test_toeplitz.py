import numpy as np
import pytest

from stemsep.evaluation.arrays import arrays_on
from stemsep.evaluation.toeplitz import solve_block_toeplitz

# Well-conditioned systems: both solutions have nearly all digits.
RELATIVE = 1e-10


def system(channels, taps, *, samples=400, columns=2, seed=0):
    """Return correlations of white noise, a dense matrix of them, and right-hand sides."""
    rng = np.random.default_rng(seed)
    signals = rng.normal(size=(channels, samples)) / np.sqrt(samples)
    delayed = np.stack([np.pad(signals, ((0, 0), (t, taps - t))) for t in range(taps)], axis=1)
    flat = delayed.reshape(channels * taps, -1)
    dense = flat @ flat.T
    lags = np.empty((channels, channels, 2 * taps - 1))
    blocks = dense.reshape(channels, taps, channels, taps)
    for delay in range(1 - taps, taps):
        lags[..., taps - 1 + delay] = blocks[:, max(delay, 0), :, max(-delay, 0)]
    return lags, dense, rng.normal(size=(channels, columns, taps))


def solve(lags, right, device="cpu"):
    arrays = arrays_on(device)
    solution, singular = solve_block_toeplitz(arrays, arrays.put(lags), arrays.put(right))
    return arrays.get(solution), singular


def dense_solution(dense, right):
    channels, columns, taps = right.shape
    flat = right.swapaxes(1, 2).reshape(channels * taps, columns)
    return np.linalg.solve(dense, flat).reshape(channels, taps, columns).swapaxes(1, 2)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize(("channels", "taps"), [(1, 1), (1, 9), (2, 16), (3, 5), (8, 12)])
def test_the_solution_is_that_of_a_dense_solver(channels, taps, device):
    lags, dense, right = system(channels, taps)
    found, singular = solve(lags[None], right[None], device)
    assert not singular
    assert np.allclose(found[0], dense_solution(dense, right), rtol=RELATIVE, atol=RELATIVE)


def test_systems_are_solved_side_by_side():
    parts = [system(2, 8, seed=seed) for seed in range(3)]
    lags, right = (np.stack([part[i] for part in parts]) for i in (0, 2))
    found, _ = solve(lags, right)
    for one, (_, dense, rhs) in zip(found, parts, strict=True):
        assert np.allclose(one, dense_solution(dense, rhs), rtol=RELATIVE, atol=RELATIVE)


def low_passed(taps, *, order, seed=0):
    """Return correlations of a low-passed noise, and a dense matrix of them."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=20_000)) * np.geomspace(1, 10.0**-order, 10_001)
    signal = np.fft.irfft(spectrum)
    autocorrelation = np.correlate(signal, signal, "full") / (signal @ signal)
    lags = autocorrelation[len(signal) - taps : len(signal) + taps - 1]
    return lags, lags[taps - 1 + np.arange(taps)[:, None] - np.arange(taps)]


def test_an_ill_conditioned_system_is_solved_as_well_as_by_cholesky():
    taps = 64
    lags, dense = low_passed(taps, order=6)  # condition 1e11
    truth = np.random.default_rng(1).normal(size=taps)
    found, singular = solve(lags[None, None, None], (dense @ truth)[None, None, None])
    assert not singular
    error = found[0, 0, 0] - truth
    assert error @ dense @ error < 1e-20 * (truth @ dense @ truth)


@pytest.mark.parametrize("order", [4, 5])
def test_refinement_takes_out_the_ridge_of_a_singular_system(order):
    taps = 64
    lags, dense = low_passed(taps, order=order)
    values, vectors = np.linalg.eigh(dense)
    truth = vectors @ (1 / np.sqrt(values))  # each direction has the same share of the energy
    twice = np.tile(lags, (2, 2, 1))[None]  # the same channel two times
    found, singular = solve(twice, np.tile(dense @ truth, (2, 1, 1))[None])
    assert singular
    error = found[0, :, 0].sum(axis=0) - truth
    assert error @ dense @ error < 1e-12 * (truth @ dense @ truth)


def test_a_singular_system_is_told_and_solved_where_it_can_be():
    lags, dense, right = system(1, 16)
    twice = np.tile(lags, (2, 2, 1))  # the same channel two times
    found, singular = solve(twice[None], np.tile(right, (2, 1, 1))[None])
    assert singular
    total = found[0].sum(axis=0, keepdims=True)
    assert np.allclose(total, dense_solution(dense, right), rtol=1e-6, atol=1e-6)
    assert np.allclose(found[0, 0], found[0, 1], rtol=1e-4, atol=1e-4)  # of least norm
