import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from stemsep.data.image_augment import (
    AugmentConfig,
    Layer,
    elastic_displacement,
    parse_augment,
    source_places,
    varied_light,
    warped,
)
from stemsep.errors import ParameterError

NOTHING = parse_augment("none")


def places_of(config, *, source=(8, 8), size=None, centre=None, seed=0):
    size = size or source
    centre = centre or tuple((n - 1) / 2 for n in source)
    random = np.random.default_rng(seed)
    return source_places(config, random, source=source, centre=centre, size=size)


def test_without_variations_a_picture_stays_as_it_is():
    pixels = np.random.default_rng(0).normal(size=(3, 7, 9))
    (result,) = warped([Layer(pixels)], places_of(NOTHING, source=(7, 9)))
    np.testing.assert_array_equal(result, pixels)


@given(st.integers(0, 99))
def test_flips_and_turns_keep_every_pixel_exactly(seed):
    pixels = np.random.default_rng(1).normal(size=(2, 8, 8)).astype(np.float32)
    (result,) = warped([Layer(pixels)], places_of(AugmentConfig(), seed=seed))
    sides = [np.rot90(side, k, (1, 2)) for side in (pixels, pixels[:, :, ::-1]) for k in range(4)]
    assert any(np.array_equal(result, side) for side in sides)


def test_all_eight_sides_of_a_picture_are_seen():
    pixels = np.arange(4.0).reshape(1, 2, 2)
    results = {
        tuple(warped([Layer(pixels)], places_of(AugmentConfig(), source=(2, 2), seed=s))[0].ravel())
        for s in range(60)
    }
    assert len(results) == 8


def test_the_elastic_displacement_goes_through_the_vectors_of_its_grid():
    vectors = np.random.default_rng(0).normal(0, 10, (2, 3, 3))
    moved = elastic_displacement(vectors, 41, 61)
    assert moved.shape == (2, 41, 61)
    np.testing.assert_allclose(moved[:, ::20, ::30], vectors, atol=1e-9)


def test_the_elastic_displacement_is_a_bicubic_spline():
    vectors = np.zeros((2, 3, 3))
    vectors[0] = np.array([3.0, -5.0, 8.0])[:, None]
    moved = elastic_displacement(vectors, 41, 5)
    # Mirrored at both ends, the three values go on with a period of four.
    spline = CubicSpline(np.arange(5), [3, -5, 8, -5, 3], bc_type="periodic")
    np.testing.assert_allclose(moved[0, :, 2], spline(np.linspace(0, 2, 41)), atol=1e-9)
    np.testing.assert_allclose(moved[1], 0, atol=1e-12)
    np.testing.assert_allclose(moved[0], moved[0][:, :1].repeat(5, 1), atol=1e-9)


def test_equal_vectors_shift_the_picture():
    vectors = np.ones((2, 3, 3)) * np.array([2.0, -3.0])[:, None, None]
    moved = elastic_displacement(vectors, 20, 30)
    np.testing.assert_allclose(moved[0], 2, atol=1e-9)
    np.testing.assert_allclose(moved[1], -3, atol=1e-9)


def test_the_vectors_have_the_deviation_that_was_asked_for():
    config = parse_augment("elastic=10")
    moved = [
        places_of(config, source=(201, 201), seed=seed) - places_of(NOTHING, source=(201, 201))
        for seed in range(60)
    ]
    grid = np.array(moved)[:, :, ::100, ::100]
    assert grid.std() == pytest.approx(10, rel=0.06)
    assert abs(grid.mean()) < 1


@pytest.mark.parametrize("name", ["rotation", "scale", "elastic", "shift"])
def test_masks_follow_their_pictures(name):
    config = parse_augment(name)
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 18
    picture, classes = disc[None].astype(np.float32), disc.astype(np.int64)
    for seed in range(5):
        places = places_of(config, source=(64, 64), seed=seed)
        moved, mask = warped([Layer(picture), Layer(classes, smooth=False)], places)
        assert set(np.unique(mask)) == {0, 1}
        assert ((moved[0] > 0.5) != mask.astype(bool)).mean() < 0.01


def test_rotation_and_scale_turn_and_enlarge_about_the_middle():
    config = AugmentConfig(flips=0, turns=0, rotation=30, scale=0.5)
    for seed in range(10):
        places = places_of(config, source=(9, 9), seed=seed)
        np.testing.assert_allclose(places[:, 4, 4], 4, atol=1e-9)
        right, down = places[:, 4, 5] - 4, places[:, 5, 4] - 4
        assert right @ down == pytest.approx(0, abs=1e-9)
        factor = np.hypot(*right)
        assert factor == pytest.approx(np.hypot(*down))
        assert 1 / 1.5 <= factor <= 1.5
        assert abs(np.degrees(np.arctan2(right[0], right[1]))) <= 30


def test_what_lies_beyond_the_edge_is_mirrored():
    pixels = np.arange(5.0)[None, :].repeat(5, 0)[None]
    places = places_of(NOTHING, source=(5, 5), size=(5, 9))
    np.testing.assert_array_equal(
        warped([Layer(pixels)], places)[0][0, 0], [2, 1, 0, 1, 2, 3, 4, 3, 2]
    )


def test_light_varies_within_its_limits():
    picture = np.array([[[-1.0, 1.0]]], dtype=np.float32)
    config = AugmentConfig(brightness=0.3, contrast=0.5)
    for seed in range(20):
        low, high = varied_light(picture, config, np.random.default_rng(seed))[0, 0]
        assert abs(low + high) / 2 <= 0.3
        assert 1 / 1.5 <= (high - low) / 2 <= 1.5
    assert varied_light(picture, NOTHING, np.random.default_rng(0)) is picture


def test_variations_are_read_from_a_list():
    assert parse_augment("flips,turns") == AugmentConfig()
    assert not parse_augment("none").warps
    assert parse_augment("elastic = 5, flips").elastic == 5
    assert parse_augment("all").elastic == 10  # the paper's
    for text, message in {
        "elastc": "did you mean elastic",
        "rotation=far": "must be a number",
        "rotation=-1": "must be 0 to 180",
        "flips=0.9": "must be 0 to 0.5",
        "shift=nan": "must be 0 to 1",
    }.items():
        with pytest.raises(ParameterError, match=message):
            parse_augment(text)
