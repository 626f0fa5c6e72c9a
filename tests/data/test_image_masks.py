import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stemsep.data.image_masks import (
    classes_of,
    mask_image,
    nearest_classes,
    noise_in,
    values_of,
)
from stemsep.data.images import Mask, read_mask
from stemsep.errors import DatasetError

COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


@given(
    st.lists(st.integers(0, 65535), min_size=2, max_size=9, unique=True)
    | st.lists(COLOUR, min_size=2, max_size=9, unique=True),
    st.integers(0, 99),
)
def test_a_mask_becomes_classes_and_again_the_same_mask(tmp_path_factory, values, seed):
    values = sorted(values)
    classes = np.random.default_rng(seed).integers(0, len(values), (5, 7))
    path = tmp_path_factory.mktemp("mask") / "m.png"
    mask_image(classes, values).save(path)
    mask = read_mask(path)
    assert list(values_of(mask)) == [
        v if not isinstance(v, tuple) or mask.pixels.ndim == 3 else v[0]
        for i, v in enumerate(values)
        if (classes == i).any()
    ]
    np.testing.assert_array_equal(classes_of(mask, values), classes)


def test_zero_and_one_are_written_so_that_they_can_be_seen():
    classes = np.array([[0, 1]])
    image = mask_image(classes, (0, 1))
    assert image.mode == "1"
    assert np.asarray(image.convert("L")).tolist() == [[0, 255]]
    several = mask_image(np.array([[0, 1, 2]]), (0, 1, 2))
    np.testing.assert_array_equal(np.asarray(several), [[0, 1, 2]])
    seen = np.asarray(several.convert("RGB"))[0].tolist()
    assert len({tuple(colour) for colour in seen}) == 3
    assert max(seen[1]) > 128
    palette = ((0, 0, 0), (1, 2, 3))
    given_palette = mask_image(classes, (0, 1), palette)
    assert np.asarray(given_palette.convert("RGB"))[0].tolist() == [[0, 0, 0], [1, 2, 3]]


def test_a_value_outside_the_table_is_named_with_its_first_pixel():
    with pytest.raises(DatasetError, match="value 7 of the pixel in row 1, column 0 is none of 0,"):
        classes_of(Mask(np.array([[0, 255], [7, 7]])), (0, 255))
    red = np.zeros((1, 2, 3), int)
    red[0, 1] = (255, 0, 0)
    with pytest.raises(DatasetError, match=r"value \(255, 0, 0\)"):
        classes_of(Mask(red), (0, 255))


def test_grey_masks_fit_a_table_of_colours():
    classes = classes_of(Mask(np.array([[0, 255]])), ((0, 0, 0), (255, 0, 0), (255, 255, 255)))
    assert classes.tolist() == [[0, 2]]


def test_compression_and_smoothing_are_noticed(tmp_path):
    truth = np.zeros((64, 64), np.uint8)
    truth[20:40, 10:50] = 255
    round_one = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    Image.fromarray(round_one.astype(np.uint8) * 255).save(tmp_path / "m.jpg", quality=90)
    smooth = Image.fromarray(round_one.astype(np.uint8) * 255).resize((61, 61))
    smooth.save(tmp_path / "m.png")
    jpeg = values_of(read_mask(tmp_path / "m.jpg"))
    assert "rare" in noise_in(jpeg, lossy=True)
    assert "rare" in noise_in(jpeg, lossy=False)
    assert "rare" in noise_in(values_of(read_mask(tmp_path / "m.png")), lossy=False)
    assert noise_in({0: 4000, 1: 3, 254: 2, 255: 900}, lossy=True)


def test_clean_masks_are_not_suspected():
    assert not noise_in({0: 4000, 255: 3}, lossy=True)
    assert not noise_in({0: 889, 128: 82, 255: 28}, lossy=False)
    assert not noise_in({value: 1 + 100 * (value == 0) for value in range(5)}, lossy=False)
    assert not noise_in(dict.fromkeys(range(21), 50), lossy=False)


def test_noisy_masks_take_the_nearest_value():
    noisy = Mask(np.array([[3, 120, 250, 190]]))
    assert nearest_classes(noisy, (0, 128, 255)).tolist() == [[0, 1, 2, 1]]
    colours = Mask(np.array([[[250, 4, 3], [2, 1, 0]]]))
    assert nearest_classes(colours, ((0, 0, 0), (255, 0, 0))).tolist() == [[1, 0]]
