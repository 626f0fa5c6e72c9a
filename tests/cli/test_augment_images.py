import numpy as np
import pytest
from PIL import Image, ImageDraw

from stemsep.cli.main import main
from stemsep.data.image_pairs import read_classes, read_image_set
from tests.pictures import disc_set


def run(*arguments):
    return main(["augment-images", *map(str, arguments)])


def logo(path, background=None):
    image = Image.new("RGBA" if background is None else "RGB", (80, 60), background)
    ImageDraw.Draw(image).rounded_rectangle((10, 10, 70, 50), 12, fill=(200, 30, 60))
    image.save(path)
    return path


def test_a_set_becomes_larger_and_its_masks_follow(tmp_path):
    data = disc_set(tmp_path / "data", 2)
    assert run(data, tmp_path / "out", "--copies", 3) == 0
    found = read_image_set(tmp_path / "out")
    assert [pair.name for pair in found.pairs] == [
        f"disc_{n}_{copy:02d}" for n in (0, 1) for copy in (1, 2, 3)
    ]
    assert found.mask_values == (0, 255)
    for pair in found.pairs:
        picture = np.asarray(Image.open(pair.image)).astype(float)
        mask = read_classes(pair, found) > 0
        assert picture[mask].mean() > picture[~mask].mean() + 60
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 6 * 32


def test_copies_depend_on_the_seed(tmp_path):
    data = disc_set(tmp_path / "data", 1)
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        assert run(data, tmp_path / name, "--copies", 1, "--seed", seed) == 0
    first, same, other = (
        (tmp_path / name / "imgs" / "disc_0_01.png").read_bytes() for name in "abc"
    )
    assert first == same != other


def test_values_depths_and_palettes_are_kept(tmp_path):
    data = disc_set(tmp_path / "data", 1)
    deep = np.asarray(Image.open(data / "imgs" / "disc_0.png")).astype(np.uint16) * 257
    Image.fromarray(deep).save(data / "imgs" / "disc_0.png")
    truth = np.asarray(Image.open(data / "masks" / "disc_0_mask.png")) > 0
    mask = Image.fromarray(truth.astype(np.uint8) * 3)
    mask.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 250, 120, 0])
    mask.save(data / "masks" / "disc_0_mask.png")
    assert run(data, tmp_path / "out", "--copies", 1, "--augment", "flips") == 0
    picture = np.asarray(Image.open(tmp_path / "out" / "imgs" / "disc_0_01.png"))
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(np.sort(picture, axis=None), np.sort(deep, axis=None))
    written = read_image_set(tmp_path / "out")
    assert written.mask_values == (0, 3)
    assert written.palette is not None
    assert written.palette[3] == (250, 120, 0)


@pytest.mark.parametrize(
    ("background", "arguments"),
    [
        (None, []),
        ((240, 240, 240), ["--colour", "#c81e3c"]),
        ((240, 240, 240), ["--threshold", 150]),
        ((10, 10, 10), ["--threshold", 50, "--invert"]),
    ],
)
def test_one_logo_becomes_a_set(tmp_path, background, arguments):
    picture = logo(tmp_path / "logo.png", background)
    assert run(picture, tmp_path / "out", "--copies", 8, "--size", 96, *arguments) == 0
    found = read_image_set(tmp_path / "out")
    assert len(found.pairs) == 8
    assert set(found.sizes) == {(96, 96)}
    for pair in found.pairs:
        mask = read_classes(pair, found) > 0
        assert 0.01 < mask.mean() < 0.15  # a small foreground
        colour = np.asarray(Image.open(pair.image))[mask].mean(0)
        assert colour[0] > 2 * max(colour[1:])  # the logo is red


def test_a_logo_is_put_on_given_pictures(tmp_path):
    (tmp_path / "walls").mkdir()
    Image.fromarray(np.full((50, 70), 90, np.uint8)).save(tmp_path / "walls" / "wall.png")
    arguments = ["--backgrounds", tmp_path / "walls", "--copies", 2, "--size", 64]
    assert run(logo(tmp_path / "logo.png"), tmp_path / "out", *arguments) == 0
    picture = np.asarray(Image.open(tmp_path / "out" / "imgs" / "logo_001.png"))
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "logo_001_mask.png"))
    assert np.median(np.abs(picture[mask == 0].astype(int) - 90)) == 0


def test_what_cannot_work_is_told(tmp_path, capsys):
    data = disc_set(tmp_path / "data", 1)
    opaque = logo(tmp_path / "opaque.png", "white")
    (tmp_path / "text.png").write_text("text")
    for arguments, message in [
        ((data, data), "is not empty"),
        ((data, tmp_path / "out", "--augment", "twist"), "unknown variation 'twist'"),
        ((opaque, tmp_path / "out"), "every pixel would be the logo"),
        ((opaque, tmp_path / "out", "--colour", "blue"), "nothing would be the logo"),
        ((opaque, tmp_path / "out", "--colour", "blau"), "no colour 'blau'"),
        ((opaque, tmp_path / "out", "--colour", "red", "--threshold", 3), "exclude each other"),
        ((opaque, tmp_path / "out", "--size", 3), "size = 3"),
        ((tmp_path / "text.png", tmp_path / "out"), "cannot read"),
        ((tmp_path / "none", tmp_path / "out"), "does not exist"),
        ((tmp_path, tmp_path / "out"), "imgs' does not exist"),
    ]:
        assert run(*arguments) == 2, message
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
