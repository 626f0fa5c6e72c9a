import json

import numpy as np
import pytest
from PIL import Image

from stemsep.cli.main import main


def write_masks(folder, masks, ending="_mask"):
    folder.mkdir(parents=True)
    for name, mask in masks.items():
        Image.fromarray(np.asarray(mask, np.uint8)).save(folder / f"{name}{ending}.png")
    return folder


def square(side, value=255, size=20):
    mask = np.zeros((size, size))
    mask[:side, :side] = value
    return mask


def run(references, *estimates, out):
    words = [word for folder in estimates for word in ("--estimates", folder)]
    arguments = ["evaluate", "--references", references, *words, "-q", "-o", out]
    return main([str(argument) for argument in arguments])


def summary(out):
    return json.loads((out / "summary.json").read_text())


def test_dice_and_iou_are_those_of_the_pixels(tmp_path):
    truth = write_masks(tmp_path / "truth", {"a": square(10), "b": square(4)})
    guess = write_masks(tmp_path / "guess", {"a": square(5), "b": square(4)}, ending="")
    assert run(truth, guess, out=tmp_path / "out") == 0
    (system,) = summary(tmp_path / "out")["systems"]
    # 25 of 100 pixels are found, all of 16.
    assert system["dice"][1] == pytest.approx((2 * 25 / 125 + 1) / 2)
    assert system["iou"][1] == pytest.approx((25 / 100 + 1) / 2)
    assert system["dice_pooled"][1] == pytest.approx(2 * 41 / (41 + 116))
    assert system["score"] == system["dice"][1]
    assert system["pixel_error"] == pytest.approx(75 / 800)
    first = summary(tmp_path / "out")["pictures"][0]
    assert first["confusion"] == [[300, 0], [75, 25]]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png") == 4
    assert "Dice" in (tmp_path / "out" / "summary.csv").read_text().splitlines()[0]


def test_two_folders_of_masks_are_compared_picture_by_picture(tmp_path):
    names = "abcdef"
    truth = write_masks(tmp_path / "truth", {n: square(10) for n in names})
    worse = write_masks(tmp_path / "worse", {n: square(3 + i) for i, n in enumerate(names)})
    better = write_masks(tmp_path / "better", {n: square(9) for n in names})
    assert run(truth, worse, better, out=tmp_path / "out") == 0
    found = {d["stem"]: d for d in summary(tmp_path / "out")["differences"]}
    assert list(found) == ["class 0", "class 255", "mean"]
    assert (found["mean"]["second_better"], found["mean"]["tracks"]) == (6, 6)
    assert found["mean"]["p"] == pytest.approx(2 / 2**6)
    assert 'class="best"' in (tmp_path / "out" / "report.html").read_text()


def test_masks_that_cannot_be_scored_are_named_and_the_rest_is_done(tmp_path, capsys):
    masks = {name: square(10) for name in ("fine", "gone", "large", "other", "cut")}
    truth = write_masks(tmp_path / "truth", masks)
    guess = write_masks(tmp_path / "guess", masks)
    (guess / "gone_mask.png").unlink()
    Image.fromarray(square(10, size=30).astype(np.uint8)).save(guess / "large_mask.png")
    Image.fromarray(square(10, value=7).astype(np.uint8)).save(guess / "other_mask.png")
    (truth / "cut_mask.png").write_bytes(b"\x89PNG")
    assert run(truth, guess, out=tmp_path / "out") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    for name, words in (
        ("gone", "no mask of 'gone'"),
        ("large", "differ"),
        ("other", "the value 7"),
        ("cut", "cut_mask.png"),
    ):
        assert [line for line in errors if f"'{name}'" in line and words in line], (name, errors)
    assert summary(tmp_path / "out")["systems"][0]["pictures"] == 1


def test_pictures_take_folders_of_masks_alone(tmp_path, capsys):
    truth = write_masks(tmp_path / "truth", {"a": square(10)})
    words = ["evaluate", "--references", str(truth), "--oracle", "irm1", "-o", str(tmp_path / "o")]
    assert main(words) == 2
    assert "--estimates alone" in capsys.readouterr().err


def test_a_picture_beside_folders_of_stems_is_no_mask(tmp_path):
    from stemsep.evaluation.tracks import holds_pictures
    from tests.evaluation.made_tracks import write_pair

    references, _ = write_pair(tmp_path)
    (references / "cover.png").touch()
    assert not holds_pictures(references)
    assert holds_pictures(write_masks(tmp_path / "masks", {"a": square(10)}))
