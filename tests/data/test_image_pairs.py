from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stemsep.data.image_pairs import read_classes, read_image_set
from stemsep.data.shipped import shipped_folder
from stemsep.errors import DatasetError


def put(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def pair(folder: Path, name: str, mask_name: str | None = None, value: int = 255) -> None:
    image = np.random.default_rng(len(name)).integers(0, 255, (8, 10), "u1")
    put(folder / "imgs" / name, image)
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5, 3:8] = value
    put(folder / "masks" / (mask_name or f"{Path(name).stem}_mask.png"), mask)


def problems(folder: Path) -> list[str]:
    with pytest.raises(DatasetError) as caught:
        read_image_set(folder)
    return str(caught.value).splitlines()


def test_pairs_are_found_by_name_whatever_their_formats(tmp_path):
    pair(tmp_path, "a.png")
    pair(tmp_path, "a.b.tif")
    pair(tmp_path, "c[1].bmp", "c[1].gif")
    pair(tmp_path, "d.npy", "d_mask.npy")
    (tmp_path / "imgs" / ".hidden").write_text("not a picture")
    (tmp_path / "imgs" / "more").mkdir()
    found = read_image_set(tmp_path)
    assert [p.name for p in found.pairs] == ["a.b", "a", "c[1]", "d"]
    assert [p.mask.name for p in found.pairs] == [
        "a.b_mask.png", "a_mask.png", "c[1].gif", "d_mask.npy"
    ]  # fmt: skip
    assert found.mask_values == (0, 255)
    assert found.channels == 1
    assert found.sizes == ((8, 10),) * 4
    assert found.shares == (pytest.approx(65 / 80), pytest.approx(15 / 80))
    classes = read_classes(found.pairs[2], found)
    assert classes.sum() == 15


def test_every_problem_is_named_in_one_line(tmp_path):
    pair(tmp_path, "good.png")
    pair(tmp_path, "two.png")
    pair(tmp_path, "two.bmp")  # two pictures of one name
    pair(tmp_path, "double.png")
    put(tmp_path / "masks" / "double_mask.gif", np.zeros((8, 10), np.uint8))
    put(tmp_path / "imgs" / "alone.png", np.zeros((8, 10), np.uint8))
    put(tmp_path / "masks" / "lost_mask.png", np.zeros((8, 10), np.uint8))
    pair(tmp_path, "size.png")
    put(tmp_path / "masks" / "size_mask.png", np.zeros((10, 8), np.uint8))
    pair(tmp_path, "broken.png")
    (tmp_path / "imgs" / "broken.png").write_bytes(b"\x89PNG")
    found = problems(tmp_path)
    expected = {
        "two.bmp": "have one name",
        "double_mask.gif": "has 2 masks",
        "alone.png": "has no mask",
        "lost_mask.png": "belongs to no picture",
        "size.png": "has 10 x 8 pixels, its mask",
        "broken.png": "cannot read",
    }
    assert len(found) == len(expected)
    for name, text in expected.items():
        assert sum(name in line and text in line for line in found) == 1, name


def test_two_masks_of_different_kinds_of_name_are_two_masks(tmp_path):
    pair(tmp_path, "a.png")
    put(tmp_path / "masks" / "a.png", np.zeros((8, 10), np.uint8))
    assert "has 2 masks" in problems(tmp_path)[0]
    (tmp_path / "masks" / "a.png").unlink()
    pair(tmp_path, "a_mask.png", "a_mask_mask.png")  # a picture that is called like a mask
    assert len(read_image_set(tmp_path).pairs) == 2


def test_empty_and_missing_folders_are_named(tmp_path):
    assert "does not exist" in problems(tmp_path)[0]
    (tmp_path / "imgs").mkdir()
    assert "is empty" in problems(tmp_path)[0]


def test_noisy_masks_are_named_and_can_be_cleaned(tmp_path):
    pair(tmp_path, "a.png", "a_mask.jpg")
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    put(tmp_path / "imgs" / "a.png", np.zeros((64, 64), np.uint8))
    Image.fromarray(disc.astype(np.uint8) * 255).save(tmp_path / "masks" / "a_mask.jpg", quality=80)
    assert "noise of compression" in problems(tmp_path)[0]
    assert "--mask-values 0,255" in problems(tmp_path)[0]
    cleaned = read_image_set(tmp_path, mask_values=(255, 0))
    assert cleaned.mask_values == (0, 255)
    assert (read_classes(cleaned.pairs[0], cleaned) == disc).mean() > 0.99
    assert sum(cleaned.shares) == pytest.approx(1)


def test_one_value_is_nothing_to_learn(tmp_path):
    pair(tmp_path, "a.png", value=0)
    assert "have 1 values (0)" in problems(tmp_path)[0]


def test_values_are_found_over_all_masks_and_colours_take_grey_ones_in(tmp_path):
    pair(tmp_path, "a.png", value=128)
    pair(tmp_path, "b.png", value=255)
    assert read_image_set(tmp_path).mask_values == (0, 128, 255)
    colour = np.zeros((8, 10, 3), np.uint8)
    colour[2:4] = (255, 0, 0)
    put(tmp_path / "masks" / "b_mask.png", colour)
    found = read_image_set(tmp_path)
    assert found.mask_values == ((0, 0, 0), (128, 128, 128), (255, 0, 0))
    assert sum(found.shares) == pytest.approx(1)
    assert set(read_classes(found.pairs[0], found).ravel()) == {0, 1}


def test_palettes_that_disagree_are_named(tmp_path):
    for name, colours in {"a": [0, 0, 0, 255, 0, 0], "b": [0, 0, 0, 0, 255, 0]}.items():
        pair(tmp_path, f"{name}.png")
        image = Image.fromarray(np.eye(8, 10, dtype=np.uint8))
        image.putpalette(colours)
        image.save(tmp_path / "masks" / f"{name}_mask.png")
    assert "another palette" in problems(tmp_path)[0]
    (tmp_path / "masks" / "b_mask.png").write_bytes(
        (tmp_path / "masks" / "a_mask.png").read_bytes()
    )
    found = read_image_set(tmp_path)
    assert found.mask_values == (0, 1)
    assert found.palette == ((0, 0, 0), (255, 0, 0))


def test_the_shipped_set_is_what_it_should_be():
    folder = shipped_folder("data") / "images"
    sizes = {"": (72, 128), "heldout": (12, 128), "five": (5, 256)}
    for name, (count, size) in sizes.items():
        found = read_image_set(folder / name)
        assert len(found.pairs) == count
        assert set(found.sizes) == {(size, size)}
        assert found.mask_values == (0, 255)
        for one in found.pairs:
            assert 0.15 <= read_classes(one, found).mean() <= 0.35
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert total < 2_000_000


def test_the_shipped_set_is_what_its_script_draws():
    folder = shipped_folder("data") / "images"
    script = {"__name__": "make_cars"}
    exec((folder / "make_cars.py").read_text(), script)  # noqa: S102 - it is ours
    for name, part, size in (("car_07", ".", 128), ("heldout_03", "heldout", 128)):
        picture, mask = script["draw"](name, size)  # type: ignore[operator]
        stored = np.asarray(Image.open(folder / part / "imgs" / f"{name}.png"))
        # Another Pillow may draw an edge differently.
        assert np.abs(np.asarray(picture).astype(int) - stored).mean() < 1
        stored_mask = np.asarray(Image.open(folder / part / "masks" / f"{name}_mask.png"))
        assert (np.asarray(mask) != stored_mask).mean() < 0.01
