import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.separation.residue import BLOCK, OUTPUT_SAMPLES, quantise, share_residue


def noise(*shape: int, seed: int, scale: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=scale, size=shape).astype(np.float32)


def in_range(bit_depth: int) -> tuple[int, int]:
    return -(2 ** (bit_depth - 1)), 2 ** (bit_depth - 1) - 1


@given(
    bit_depth=st.sampled_from([16, 24, 32]),
    count=st.integers(1, 5),
    seed=st.integers(0, 99),
    scale=st.sampled_from([0.0, 1e-6, 0.2, 3.0]),
)
def test_integer_stems_sum_to_the_mixture_to_the_bit(bit_depth, count, seed, scale):
    low, high = in_range(bit_depth)
    rng = np.random.default_rng(seed)
    mixture = rng.integers(low, high + 1, size=(2, 50)).astype(np.int32)
    mixture[0, :2] = low, high
    stems = noise(count, 2, 50, seed=seed, scale=scale)
    result = quantise(stems, mixture, bit_depth)
    assert result.dtype == np.int32
    assert np.array_equal(result.sum(axis=0, dtype=np.int64), mixture)
    assert result.min() >= low
    assert result.max() <= high


@pytest.mark.parametrize("bit_depth", [16, 24])
def test_each_integer_stem_is_within_one_step_of_its_float(bit_depth):
    stems = noise(4, 2, 1000, seed=1, scale=0.05)
    full_scale = 2 ** (bit_depth - 1)
    exact = stems.astype(np.float64) * full_scale
    mixture = np.rint(exact.sum(axis=0)).astype(np.int32)
    assert np.abs(quantise(stems, mixture, bit_depth) - exact).max() <= 1.0


def test_a_stem_beyond_full_scale_gives_its_excess_to_the_others():
    stems = np.array([[[1.5]], [[-0.6]]], np.float32)
    result = quantise(stems, np.array([[29491]], np.int32), 16)
    assert result[0, 0, 0] == 32767
    assert result.sum() == 29491


def test_silent_stems_stay_silent():
    stems = noise(3, 1, 500, seed=2)
    stems[1] = 0
    mixture = np.rint(stems.sum(axis=0, dtype=np.float64) * 32768).astype(np.int32)
    assert not quantise(stems, mixture, 16)[1].any()


def test_shared_residue_makes_the_stems_the_mixture():
    stems = noise(4, 2, 2 * OUTPUT_SAMPLES + 777, seed=3)
    mixture = noise(2, stems.shape[-1], seed=4)
    shared = np.concatenate(list(share_residue(pieces(stems, mixture))), axis=-1)
    assert shared.dtype == np.float32
    assert np.abs(shared.sum(axis=0, dtype=np.float64) - mixture).max() < 1e-6


def test_residue_goes_where_the_energy_is():
    stems = noise(2, 1, OUTPUT_SAMPLES, seed=5)
    stems[1] *= 1e-3
    residue = noise(1, OUTPUT_SAMPLES, seed=6, scale=0.01)
    (shared,) = share_residue(pieces(stems, stems.sum(axis=0) + residue))
    change = np.abs(shared - stems).mean(axis=(1, 2))
    assert change[1] < 1e-5 * change[0]


def test_shares_glide_from_block_to_block():
    stems = np.zeros((2, 1, 4 * BLOCK), np.float32)
    stems[0, :, : 2 * BLOCK] = stems[1, :, 2 * BLOCK :] = 0.5
    residue = np.float32(0.1)
    (shared,) = share_residue(pieces(stems, stems.sum(axis=0) + residue))
    given_to_first = (shared - stems)[0, 0]
    assert np.abs(np.diff(given_to_first)).max() < 2 * residue / BLOCK
    assert given_to_first[0] == pytest.approx(residue, rel=1e-3)
    assert given_to_first[-1] == pytest.approx(0, abs=1e-3)


def test_silence_gets_no_residue():
    silent = np.zeros((4, 2, 100), np.float32)
    (shared,) = share_residue([(silent, silent[0])])
    assert not shared.any()


def pieces(stems: np.ndarray, mixture: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    edges = range(0, stems.shape[-1], OUTPUT_SAMPLES)
    cuts = [slice(edge, edge + OUTPUT_SAMPLES) for edge in edges]
    return [(stems[..., c], mixture[..., c]) for c in cuts]


def test_sound_far_beyond_full_scale_stays_at_its_ends():
    stems = np.array([600.0, -100.0, 300.0], np.float32).reshape(3, 1, 1)
    steps = quantise(stems, np.array([[2**23 - 1]], np.int32), 24)
    assert steps.sum() == 2**23 - 1
    assert steps.min() >= -(2**23)
    assert steps.max() < 2**23
