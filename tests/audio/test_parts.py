"""Parts of a sound: an excerpt, and where it is loudest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.audio.blocks import excerpt
from stemsep.audio.loudest import loudest_start
from tests.signals import noise


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    start=st.integers(0, 150),
    samples=st.none() | st.integers(0, 150),
)
def test_an_excerpt_is_a_slice_whatever_the_blocks(sizes, start, samples):
    waveform = noise(2, sum(sizes))
    blocks = np.split(waveform, np.cumsum(sizes)[:-1], axis=1)
    got = np.concatenate([waveform[:, :0], *excerpt(blocks, start, samples)], axis=1)
    stop = None if samples is None else start + samples
    assert np.array_equal(got, waveform[:, start:stop])


def test_an_excerpt_reads_no_further_than_its_end():
    def blocks():
        yield noise(1, 100)
        yield noise(1, 100)
        raise AssertionError("read too far")

    assert sum(block.shape[1] for block in excerpt(blocks(), 150, 50)) == 50


@pytest.mark.parametrize("loud", [0, 3, 7])
def test_the_loudest_stretch_is_found(loud):
    waveform = 0.1 * noise(2, 1000)
    waveform[:, loud * 100 : (loud + 3) * 100] *= 10
    blocks = np.array_split(waveform, 7, axis=1)
    assert loudest_start(blocks, 100, seconds=3) == 100 * loud


def test_all_of_a_short_sound_is_the_loudest():
    assert loudest_start([noise(2, 250)], 100, seconds=3) == 0
