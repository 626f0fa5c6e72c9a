import json

import numpy as np
import pytest
from PIL import Image

from stemsep.cli.main import main
from tests.pictures import disc_pair, disc_set


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that finds discs; trained in a few seconds."""
    folder = tmp_path_factory.mktemp("model")
    data = disc_set(folder / "data", 8)
    arguments = ["--steps", "60", "-l", "0.01", "--preset", "tiny", "-o", str(folder / "run")]
    assert main(["train-images", str(data), *arguments]) == 0
    return folder / "run" / "best.safetensors"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in (20, 21):
        Image.fromarray(disc_pair(32, seed)[0]).save(folder / f"new_{seed}.png")
    return folder


def run(*arguments):
    return main(["predict-images", *map(str, arguments)])


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("extra", [[], ["--tta"], ["--tile", "16"]])
def test_masks_have_the_true_share_and_the_values_learned_from(model, pictures, tmp_path, extra):
    output = tmp_path / "masks"
    assert run(pictures, "-m", model, "-o", output, *extra) == 0
    for seed in (20, 21):
        mask, truth = read(output / f"new_{seed}_mask.png"), disc_pair(32, seed)[1]
        assert set(np.unique(mask)) == {0, 255}
        assert abs((mask > 0).mean() - (truth > 0).mean()) < 0.02


def test_what_was_found_is_told(model, pictures, tmp_path, capsys):
    picture = pictures / "new_20.png"
    assert run(picture, "-m", model, "-o", tmp_path / "m.png", "--viz", "--json") == 0
    told = capsys.readouterr()
    found = json.loads(told.out)[str(picture)]
    assert found["shape"] == [32, 32]
    assert found["values"] == [0, 255]
    assert found["shares"]["255"] == pytest.approx((read(tmp_path / "m.png") > 0).mean())
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert "32 x 32, values 0 to 255: 0 " in told.err
    assert found["files"] == [str(tmp_path / "m.png"), str(tmp_path / "new_20_viz.png")]
    height, width, channels = read(tmp_path / "new_20_viz.png").shape
    assert channels == 3
    assert width > 3 * 32
    assert height > 32


def test_probabilities_have_sixteen_bits(model, pictures, tmp_path):
    assert run(pictures / "new_20.png", "-m", model, "-o", tmp_path / "out", "--probabilities") == 0
    likely, mask = (read(tmp_path / "out" / f"new_20_{part}.png") for part in ("prob", "mask"))
    assert likely.dtype == np.uint16
    sure = np.abs(likely.astype(int) - 32768) > 1
    np.testing.assert_array_equal((likely > 32768)[sure], (mask == 255)[sure])
    limit = ["-t", "0.9"]
    assert run(pictures / "new_20.png", "-m", model, "-o", tmp_path / "high", *limit) == 0
    higher = read(tmp_path / "high" / "new_20_mask.png")
    assert (higher == 255).sum() <= (mask == 255).sum()


def test_files_are_named_with_and_without_i(model, pictures, tmp_path):
    files = sorted(pictures.iterdir())
    options = [word for file in files for word in ("-i", file)]
    assert run(*options, "-m", model, "-o", tmp_path / "a", "--no-save", "--viz") == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "new_20_viz.png",
        "new_21_viz.png",
    ]


def test_a_bad_picture_does_not_end_the_others(model, pictures, tmp_path, capsys):
    (pictures / "bad.png").write_bytes(b"broken")
    assert run(pictures, "-m", model, "-o", tmp_path / "masks") == 1
    told = capsys.readouterr().err
    assert "Error: cannot read" in told
    assert "bad.png" in told
    assert "2 done, 1 failed" in told
    assert len(list((tmp_path / "masks").iterdir())) == 2


def test_nothing_is_replaced_unasked(model, pictures, tmp_path, capsys):
    arguments = (pictures / "new_20.png", "-m", model, "-o", tmp_path / "m.png")
    assert run(*arguments) == 0
    before = (tmp_path / "m.png").read_bytes()
    assert run(*arguments) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert run(*arguments, "--overwrite") == 0
    assert (tmp_path / "m.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.jpg"], "a format that keeps its values"),
        (["-t", "1.5"], "mask threshold 1.5"),
        (["--tile", "7"], "multiple of 16"),
        (["--scale", "0.001"], "nothing is left"),
        (["--device", "tpu"], "no device 'tpu'"),
    ],
)
def test_what_cannot_work_is_told(model, pictures, capsys, arguments, message, tmp_path):
    output = [] if "-o" in arguments else ["-o", tmp_path / "out"]
    assert run(pictures / "new_20.png", "-m", model, *arguments, *output) in (1, 2)
    assert message in capsys.readouterr().err


def test_two_pictures_of_one_name_are_refused(model, pictures, tmp_path, capsys):
    Image.fromarray(disc_pair()[0]).save(pictures / "new_20.bmp")
    assert run(pictures, "-m", model, "-o", tmp_path / "masks") == 2
    assert "would have one mask" in capsys.readouterr().err


def test_networks_that_are_none_for_pictures_are_refused(pictures, tmp_path, capsys):
    assert run(pictures, "-m", "default", "-o", tmp_path) == 2
    assert "not one for pictures" in capsys.readouterr().err
    assert run(pictures, "-m", "none.pth", "-o", tmp_path) == 2
    assert "no checkpoint 'none.pth'" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", "-m", "default") == 2
    assert "no picture in the folder" in capsys.readouterr().err


def test_a_mask_of_one_class_is_pointed_out(model, tmp_path, capsys):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "black.png")
    assert run(tmp_path / "black.png", "-m", model, "-o", tmp_path / "masks") == 0
    assert "Warning:" in capsys.readouterr().err
