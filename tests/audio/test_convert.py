from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stemsep.audio import (
    BLOCK_SAMPLES,
    fit_length,
    from_stereo_pairs,
    reblock,
    resample,
    stereo_pairs,
    to_float,
    to_steps,
)
from stemsep.errors import ParameterError
from tests.signals import integers, noise, tone

RESAMPLING_ERROR_DB = -100  # of a tone in the middle; VHQ is made for 28 bits
RATES = (8_000, 11_025, 44_100, 48_000, 96_000, 192_000)
SIZES = st.lists(st.integers(0, 70_000), min_size=1, max_size=5)


def cut(waveform: NDArray, sizes: list[int]) -> Iterator[NDArray]:
    """Yield the waveform in blocks of the given sizes, the rest as one block."""
    start = 0
    for size in sizes:
        yield waveform[:, start : start + size]
        start += size
    yield waveform[:, start:]


def join(blocks: Iterator[NDArray]) -> NDArray:
    return np.concatenate(list(blocks), axis=1)


def error_db(estimate: NDArray, reference: NDArray) -> float:
    """Return the largest error against the largest value, away from the ends."""
    middle = slice(2_000, -2_000)
    error = np.abs(estimate[..., middle] - reference[..., middle]).max()
    return float(20 * np.log10(error / np.abs(reference).max()))


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_integers_become_floats_exactly(bits):
    values = integers(2, 1_000, bits=bits)
    floats = to_float(values << (32 - bits))
    assert floats.dtype == np.float32
    assert np.array_equal(floats.astype(np.float64) * 2 ** (bits - 1), values)


def test_floats_stay_as_they_are():
    waveform = noise(2, 100)
    assert to_float(waveform) is waveform


@given(samples=st.integers(0, 200), sizes=st.lists(st.integers(0, 90)), size=st.integers(1, 70))
def test_reblocking_keeps_the_sound_and_gives_one_size(samples, sizes, size):
    waveform = noise(2, samples)
    blocks = list(reblock(cut(waveform, sizes), size))
    assert all(block.shape == (2, size) for block in blocks[:-1])
    assert all(1 <= block.shape[1] <= size and block.flags.c_contiguous for block in blocks[-1:])
    assert np.array_equal(join([waveform[:, :0], *blocks]), waveform)


@pytest.mark.parametrize("size", [4, 10, 30])
def test_transposed_blocks_come_out_in_c_order(size):
    waveform = noise(20, 2).T
    blocks = list(reblock([waveform[:, :10], waveform[:, 10:]], size))
    assert all(block.flags.c_contiguous for block in blocks)
    assert np.array_equal(join(blocks), waveform)


def test_reblocking_keeps_no_hold_of_the_input():
    block = np.zeros((1, 10), np.float32)
    (result,) = reblock([block], 10)
    block += 1
    assert not result.any()


@given(sizes=SIZES, rates=st.sampled_from([(44_100, 48_000), (48_000, 44_100), (8_000, 44_100)]))
def test_resampling_does_not_depend_on_the_blocks(sizes, rates):
    from_rate, to_rate = rates
    waveform = noise(1, 100_000)
    whole = join(resample([waveform], from_rate=from_rate, to_rate=to_rate))
    pieces = join(resample(cut(waveform, sizes), from_rate=from_rate, to_rate=to_rate))
    assert np.array_equal(whole, pieces)


@given(
    samples=st.integers(1, 3_000), from_rate=st.sampled_from(RATES), to_rate=st.sampled_from(RATES)
)
def test_resampling_gives_the_expected_length_and_at_least_one_sample(samples, from_rate, to_rate):
    blocks = list(resample([noise(2, samples)], from_rate=from_rate, to_rate=to_rate))
    assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in blocks)
    length = join(blocks).shape[1]
    assert length >= 1
    assert abs(length - samples * to_rate / from_rate) <= 1


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48_000, 44_100), (44_100, 48_000)])
def test_a_tone_is_kept_without_delay(from_rate, to_rate):
    waveform = tone(1_000, samples=3 * from_rate, sample_rate=from_rate)[None].astype(np.float32)
    result = join(resample([waveform], from_rate=from_rate, to_rate=to_rate))
    expected = tone(1_000, samples=result.shape[1], sample_rate=to_rate)
    assert error_db(result[0], expected) < RESAMPLING_ERROR_DB


def test_there_and_back_again_is_the_same_sound():
    waveform = tone(3_000, samples=2 * 44_100)[None].astype(np.float32)
    there = resample([waveform], from_rate=44_100, to_rate=48_000)
    back = join(fit_length(resample(there, from_rate=48_000, to_rate=44_100), waveform.shape[1]))
    assert error_db(back, waveform) < RESAMPLING_ERROR_DB


def test_channels_are_resampled_apart():
    both = join(resample([noise(2, 5_000)], from_rate=44_100, to_rate=48_000))
    second = join(resample([noise(2, 5_000)[1:]], from_rate=44_100, to_rate=48_000))
    assert np.array_equal(both[1:], second)


def test_equal_rates_pass_the_blocks_through():
    block = noise(2, 10)
    (result,) = resample([block], from_rate=44_100, to_rate=44_100)
    assert result is block


def test_no_sound_stays_no_sound():
    assert list(resample([], from_rate=44_100, to_rate=48_000)) == []


def test_resampling_holds_only_a_few_blocks_in_memory():
    taken = 0

    def endless() -> Iterator[NDArray]:
        nonlocal taken
        while True:
            taken += 1
            yield np.zeros((1, BLOCK_SAMPLES), np.float32)

    results = resample(endless(), from_rate=44_100, to_rate=48_000)
    given_samples = sum(next(results).shape[1] for _ in range(5))
    assert taken == 5
    assert given_samples > 4 * BLOCK_SAMPLES


@given(
    samples=st.integers(1, 300),
    total=st.integers(0, 400),
    sizes=st.lists(st.integers(0, 90)),
    late=st.booleans(),
)
def test_a_stream_gets_its_exact_length(samples, total, sizes, late):
    waveform = integers(2, samples, bits=16)
    wanted = (lambda: total) if late else total
    hold_back = max(0, samples - total)  # just enough
    result = join([waveform[:, :0], *fit_length(cut(waveform, sizes), wanted, hold_back=hold_back)])
    padded = np.pad(waveform, ((0, 0), (0, max(0, total - samples))))
    assert result.dtype == np.int32
    assert np.array_equal(result, padded[:, :total])


def test_a_late_total_is_asked_for_once_at_the_end():
    events = []

    def blocks() -> Iterator[NDArray]:
        for number in range(4):
            events.append(number)
            yield noise(1, 10)

    def total() -> int:
        events.append("total")
        return 35

    assert join(fit_length(blocks(), total, hold_back=12)).shape[1] == 35
    assert events == [0, 1, 2, 3, "total"]


def test_what_is_given_out_cannot_be_cut_any_more():
    with pytest.raises(ParameterError, match="cannot cut to 5 samples: 20"):
        list(fit_length([noise(1, 10)] * 3, lambda: 5, hold_back=10))


def test_nothing_cannot_be_padded():
    with pytest.raises(ParameterError, match="no sound to pad"):
        list(fit_length([], 5))
    assert list(fit_length([], 0)) == []


def test_a_long_padding_comes_in_blocks():
    blocks = list(fit_length([noise(2, 1)], 3 * BLOCK_SAMPLES))
    assert max(block.shape[1] for block in blocks) == BLOCK_SAMPLES
    assert join(blocks).shape == (2, 3 * BLOCK_SAMPLES)


@given(channels=st.integers(1, 9), samples=st.integers(0, 5), batch=st.sampled_from([(), (3,)]))
def test_channels_become_stereo_pairs_and_come_back(channels, samples, batch):
    waveform = np.random.default_rng(0).random((*batch, channels, samples)).astype(np.float32)
    pairs = stereo_pairs(waveform)
    assert [pair.shape for pair in pairs] == [(*batch, 2, samples)] * ((channels + 1) // 2)
    result = from_stereo_pairs(pairs, channels)
    assert result.dtype == np.float32
    assert np.array_equal(result, waveform)


def test_a_doubled_channel_comes_back_as_the_mean():
    assert np.array_equal(from_stereo_pairs([np.array([[1.0], [3.0]], np.float32)], 1), [[2.0]])


@pytest.mark.parametrize("bit_depth", [16, 24, 32])
def test_steps_of_integer_sound_are_exact_and_finer_ones_are_rounded(bit_depth):
    low, high = -(2 ** (bit_depth - 1)), 2 ** (bit_depth - 1) - 1
    values = np.array([[low, -1, 0, 1, high]], np.int64)
    block = (values << (32 - bit_depth)).astype(np.int32)
    steps, beyond = to_steps(block, bit_depth)
    assert steps.tolist() == values.tolist()
    assert beyond == 0
    assert to_steps(np.array([[2**31 - 1, 3 << 14, -3 << 14]], np.int32), 16)[0].tolist() == [
        [32767, 1, -1]
    ]


def test_steps_of_float_sound_are_limited_and_counted():
    steps, beyond = to_steps(np.array([[-1.5, -1.0, 0.25, 1.0, 1.5]], np.float32), 16)
    assert steps.tolist() == [[-32768, -32768, 8192, 32767, 32767]]
    assert beyond == 2
