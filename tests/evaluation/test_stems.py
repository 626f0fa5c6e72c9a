import numpy as np
import pytest

from stemsep.errors import DatasetError
from stemsep.evaluation.stems import stems_of
from tests.signals import noise


def test_an_excerpt_is_the_samples_scaled_padded_and_with_mono_doubled():
    narrow = np.array([[16384, -32768, 1]], np.int16)
    wide = noise(2, 5)
    stems = stems_of({"a": [narrow], "b": [wide]}, rate=8000)
    assert stems.shape == (2, 2, 5)
    found = stems[..., 1:5]
    assert found.dtype == np.float32
    assert np.array_equal(found[0], np.tile(np.float32([-1, 1 / 32768, 0, 0]), (2, 1)))
    assert np.array_equal(found[1], wide[:, 1:5])


def test_a_sum_is_that_of_its_stems():
    parts = {name: [noise(2, 50, seed=seed)] for seed, name in enumerate("abc")}
    total = stems_of(parts, rate=8000).summed({"rest": ["b", "c"]})
    assert total.names == ("rest",)
    assert np.allclose(total.whole("rest"), parts["b"][0] + parts["c"][0], atol=1e-7)


def test_estimates_are_cut_or_padded_to_the_references():
    references = stems_of({"a": [noise(2, 50)]}, rate=8000)
    short = stems_of({"a": [noise(2, 20)]}, rate=8000).fitted(references)
    long = stems_of({"a": [noise(2, 80)]}, rate=8000).fitted(references)
    assert short.shape == long.shape == (1, 2, 50)
    assert (short[..., 20:] == 0).all()
    assert np.array_equal(long[..., :][0], noise(2, 80)[:, :50])


def test_a_part_of_a_track_has_the_same_samples():
    stems = stems_of({"a": [noise(2, 50)], "b": [noise(1, 30)]}, rate=8000)
    part = stems.cut(-5, 35)
    assert part.samples == 35
    assert np.array_equal(part[..., :], stems[..., :35])


def test_three_channels_beside_two_are_an_error_that_names_the_stem():
    with pytest.raises(DatasetError, match="'b' has 2 channels where 3"):
        stems_of({"a": [noise(3, 5)], "b": [noise(2, 5)]}, rate=8000)
