import numpy as np
import pytest
from PIL import Image

from stemsep.data.images import (
    as_floats,
    normalised,
    read_mask,
    read_picture,
    resized,
    scaled_size,
)
from stemsep.errors import DatasetError, ParameterError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)


def save(path, array, mode=None):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("grey.png", GREY, GREY[None]),
        ("colours.png", COLOURS, COLOURS.transpose(2, 0, 1)),
        ("deep.png", GREY.astype(np.uint16) * 257, GREY[None].astype(np.uint16) * 257),
        ("deep.tif", GREY.astype(np.uint16) * 257, GREY[None].astype(np.uint16) * 257),
        ("float.tif", GREY.astype(np.float32) / 7, GREY[None].astype(np.float32) / 7),
        ("bits.png", GREY > 100, (GREY > 100)[None]),
    ],
)
def test_pictures_of_any_depth_are_read_as_they_are(tmp_path, name, array, expected):
    picture = read_picture(save(tmp_path / name, array))
    assert picture.dtype == expected.dtype
    np.testing.assert_array_equal(picture, expected)


def test_transparency_is_dropped_and_palettes_become_colours(tmp_path):
    opaque = np.dstack([COLOURS, np.full_like(GREY, 9)])
    expected = COLOURS.transpose(2, 0, 1)
    np.testing.assert_array_equal(read_picture(save(tmp_path / "a.png", opaque)), expected)
    grey_alpha = Image.fromarray(GREY).convert("LA")
    grey_alpha.save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png"), GREY[None])
    palette = Image.fromarray(COLOURS).quantize(256)
    palette.save(tmp_path / "c.png")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "c.png"), np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
    )


@pytest.mark.parametrize("axes", [(3, 4), (3, 4, 1), (3, 4, 3), (3, 4, 4)])
def test_arrays_are_pictures_too(tmp_path, axes):
    array = np.arange(np.prod(axes), dtype=np.uint16).reshape(axes)
    np.save(tmp_path / "a.npy", array)
    picture = read_picture(tmp_path / "a.npy")
    colours = array if array.ndim == 3 else array[:, :, None]
    np.testing.assert_array_equal(picture, colours[:, :, :3].transpose(2, 0, 1))


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[0], np.rot90(GREY, -1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.png", b"no picture", "no picture, or of an unknown format"),
        ("empty.png", b"", "no picture, or of an unknown format"),
        ("text.npy", b"no array", "cannot read"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    for read in (read_picture, read_mask):
        with pytest.raises(DatasetError, match=message) as caught:
            read(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_cut_picture_a_missing_one_and_a_stack_are_named(tmp_path):
    whole = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64), "u1"))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"cut\.png"):
        read_picture(tmp_path / "cut.png")
    with pytest.raises(DatasetError, match="no picture"):
        read_picture(tmp_path / "none.png")
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "stack.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetError, match="holds 2 pictures"):
        read_picture(tmp_path / "stack.tif")


def test_values_that_are_no_brightness_or_no_class_are_named(tmp_path):
    np.save(tmp_path / "nan.npy", np.array([[0.0, np.nan]]))
    with pytest.raises(DatasetError, match="not finite"):
        read_picture(tmp_path / "nan.npy")
    for name, array in {"half": [[0, 0.5]], "negative": [[0, -1]], "nan": [[0, np.nan]]}.items():
        np.save(tmp_path / f"{name}.npy", np.array(array))
        with pytest.raises(DatasetError, match="not whole numbers"):
            read_mask(tmp_path / f"{name}.npy")
    np.save(tmp_path / "flat.npy", np.zeros(5))
    with pytest.raises(DatasetError, match="shape"):
        read_picture(tmp_path / "flat.npy")


def test_masks_keep_indices_values_and_colours(tmp_path):
    image = Image.fromarray(GREY // 100)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "palette.png")
    mask = read_mask(tmp_path / "palette.png")
    np.testing.assert_array_equal(mask.pixels, GREY // 100)
    assert mask.palette is not None
    assert mask.palette[:3] == ((0, 0, 0), (255, 0, 0), (0, 255, 0))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "c.png", COLOURS)).pixels, COLOURS)
    grey_as_colour = np.dstack([GREY] * 3)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "g.png", grey_as_colour)).pixels, GREY)


def test_brightness_is_scaled_by_depth_and_normalised(tmp_path):
    deep = as_floats(np.array([[[0, 65535]]], dtype=np.uint16))
    np.testing.assert_array_equal(deep, [[[0, 1]]])
    np.testing.assert_array_equal(as_floats(GREY), (GREY / 255).astype(np.float32))
    picture = normalised(as_floats(COLOURS.transpose(2, 0, 1)))
    assert picture.mean() == pytest.approx(0, abs=1e-6)
    assert picture.std() == pytest.approx(1, abs=1e-6)
    assert not normalised(np.full((1, 2, 2), 0.3, np.float32)).any()


def test_scaling_rounds_down_and_keeps_classes_and_types():
    assert scaled_size(97, 131, 0.5) == (48, 65)
    with pytest.raises(ParameterError, match="nothing is left"):
        scaled_size(1, 5, 0.5)
    classes = np.array([[0, 1], [2, 3]])
    np.testing.assert_array_equal(
        resized(classes, 4, 4, smooth=False), classes.repeat(2, 0).repeat(2, 1)
    )
    deep = np.full((1, 8, 8), 60000, np.uint16)
    assert resized(deep, 4, 3, smooth=True).dtype == np.uint16
    np.testing.assert_array_equal(resized(deep, 4, 3, smooth=True), deep[:, :4, :3])
    colours = COLOURS.transpose(2, 0, 1)
    bicubic = Image.fromarray(COLOURS).resize((2, 2), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(
        resized(colours, 2, 2, smooth=True), np.asarray(bicubic).transpose(2, 0, 1)
    )
