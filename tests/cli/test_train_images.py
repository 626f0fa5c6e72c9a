import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from stemsep.cli.main import INTERRUPTED, main
from stemsep.data.shipped import shipped_folder
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.training.image_recipe import ImageRecipe, image_recipe
from stemsep.weights.checkpoint import load_image_network, read_image_card
from stemsep.weights.milesial import save_milesial
from tests.pictures import disc_set

SMALL = ["--steps", "6", "--batch-size", "2"]


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return disc_set(tmp_path_factory.mktemp("discs"))


def run(*arguments):
    return main(["train-images", *map(str, arguments)])


def test_a_run_leaves_networks_scores_and_pictures(discs, tmp_path, capsys):
    assert run(discs, "--steps", 60, "-b", 4, "-l", 0.005, "-v", 34, "-o", tmp_path / "run") == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "mask values: 0 (" in told.err
    assert "4 pairs to learn from, 2 to score on; grey pictures" in told.err
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    last = log[-1]
    assert last["step"] == 60
    assert last["dice"] > 0.9
    assert last["dice"] > last["constant_dice"] + 0.3
    assert last["dice of 255"] == last["dice"]
    assert last["pictures"] == 2
    with Image.open(tmp_path / "run" / "preview.png") as preview:
        assert min(preview.size) > 60
    network, config = load_image_network(tmp_path / "run" / "best.safetensors")
    assert config.mask_values == (0, 255)
    assert network.config.in_channels == 1
    _, card = read_image_card(tmp_path / "run" / "best.safetensors")
    assert card.recipe["train"]["steps"] == 60
    assert card.scores[-1]["measure"] == "Dice"
    notes = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(notes["train"]) == 4
    assert not set(notes["train"]) & set(notes["valid"])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(discs, tmp_path, stop):
    (tmp_path / "r.toml").write_text("[train]\nsteps = 14\nbatch_size = 2\nsave_minutes = 0\n")
    arguments = [discs, "--recipe", tmp_path / "r.toml", "--augment", "all"]
    assert run(*arguments, "-o", tmp_path / "whole") == 0
    command = [sys.executable, "-m", "stemsep", "train-images", *arguments, "-o", tmp_path / "cut"]
    # Another number of threads adds in another order: the tests compute on one.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, env=alone)
    while not (tmp_path / "cut" / "last.state").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(stop)
    assert process.wait(timeout=60) == (INTERRUPTED if stop == signal.SIGINT else -stop)
    assert not (tmp_path / "cut" / "preview.png").exists(), "it was stopped too late"
    assert run(*arguments, "-o", tmp_path / "cut", "--resume") == 0
    for name in ("best", "last"):
        whole, cut = (load_file(tmp_path / f / f"{name}.safetensors") for f in ("whole", "cut"))
        assert all(torch.equal(tensor, cut[key]) for key, tensor in whole.items())


def test_a_run_is_never_lost_by_another(discs, tmp_path, capsys):
    output = tmp_path / "run"
    assert run(discs, *SMALL, "-o", output) == 0
    before = (output / "best.safetensors").read_bytes()
    capsys.readouterr()
    assert run(discs, *SMALL, "-o", output) == 2
    assert "--resume goes on with it, --overwrite replaces it" in capsys.readouterr().err
    assert run(discs, *SMALL, "-o", output, "--resume", "--learning-rate", 0.1) == 2
    assert "train.learning_rate = 0.004, not 0.1" in capsys.readouterr().err
    assert (output / "best.safetensors").read_bytes() == before
    assert run(discs, *SMALL, "-o", output, "--overwrite", "--seed", 1) == 0
    assert (output / "best.safetensors").read_bytes() != before


def test_every_problem_of_the_data_is_a_line_and_nothing_is_begun(tmp_path, capsys):
    data = disc_set(tmp_path / "data", 4)
    (data / "masks" / "disc_0_mask.png").unlink()
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(data / "masks" / "disc_1_mask.png")
    (data / "imgs" / "disc_2.png").write_bytes(b"broken")
    assert run(data, "-o", tmp_path / "run") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("Error: ") for line in lines)
    for name, text in {"disc_0": "no mask", "disc_1": "pixels, its mask", "disc_2": "read"}.items():
        assert any(name in line and text in line for line in lines)
    assert not (tmp_path / "run").exists()
    assert run(tmp_path / "nothing") == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "3", "--epochs", "3"], "exclude each other"),
        (["--scale", "2"], "scale = 2"),
        (["--augment", "elastc"], "did you mean elastic"),
        (["--classes", "3"], "classes = 3, but the masks have 2 values"),
        (["--loss", "dice", "--pos-weight", "3"], "loss 'dice' knows no pos_weight"),
        (["--steps", "0"], "steps = 0"),
        (["--border-weight", "10"], "instances/disc_"),
        (["--load", "none.safetensors"], "no model 'none"),
        (["--load", "a.pth", "--preset", "small"], "leave --preset out"),
        (["--mask-values", "0,x"], "such as 0,255"),
        (["--recipe", "none.toml"], "cannot read the recipe"),
    ],
)
def test_settings_that_cannot_work_are_told_before_anything_else(
    discs, tmp_path, capsys, arguments, message
):
    assert run(discs, *arguments, "-o", tmp_path / "run") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_unknown_keys_of_a_recipe_are_named(discs, tmp_path, capsys):
    for text, message in {
        "lss = 'ce'": "did you mean loss",
        "[train]\nstps = 3": "did you mean steps",
        "[switches]\nnrm = 'group'": "no switch 'nrm'",
        "train = 3": "it must be a table",
        "=": "is not TOML",
    }.items():
        (tmp_path / "r.toml").write_text(text)
        arguments = ["--recipe", tmp_path / "r.toml", "--steps", 2, "-o", tmp_path / "run"]
        assert run(discs, *arguments) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preset", "tiny", "--bilinear", "--norm", "group", "--activation", "gelu"],
        ["--loss", "bce+dice", "--pos-weight", "10", "--downsample", "strided"],
        ["--classes", "1", "--scale", "0.5", "--crop", "8", "--loss", "focal"],
        ["--padding", "valid", "--norm", "none", "--block", "residual", "--augment", "none"],
        ["--epochs", "2", "--amp", "--validation", "50"],
        ["--optimizer", "sgd", "--momentum", "0.8", "--schedule", "plateau", "--workers", "2"],
    ],
)
def test_options_reach_the_network(discs, tmp_path, arguments):
    steps = [] if "--epochs" in arguments else ["--steps", "2"]
    assert run(discs, *steps, "-b", 2, *arguments, "-o", tmp_path / "run") == 0
    network, config = load_image_network(tmp_path / "run" / "last.safetensors")
    unet = network.config
    if "--bilinear" in arguments:
        assert (unet.upsample, unet.norm, unet.activation) == ("bilinear", "group", "gelu")
    if "bce+dice" in arguments:
        assert (unet.out_channels, unet.downsample) == (1, "strided")
    if "--classes" in arguments:
        assert (unet.out_channels, config.scale) == (1, 0.5)
    if "--padding" in arguments:
        assert (unet.padding, unet.norm, unet.block) == ("valid", "none", "residual")
    if "--optimizer" in arguments:
        _, card = read_image_card(tmp_path / "run" / "last.safetensors")
        loop = card.recipe["train"]
        assert (loop["optimizer"], loop["momentum"], loop["workers"]) == ("sgd", 0.8, 2)
        assert loop["schedule"] == "plateau"
    if "--epochs" in arguments:
        _, card = read_image_card(tmp_path / "run" / "last.safetensors")
        assert card.steps == 3  # 3 of 6 pairs, twice, in batches of 2


def test_a_network_is_trained_on(discs, tmp_path, capsys):
    assert run(discs, *SMALL, "-o", tmp_path / "a") == 0
    loaded = ["--load", tmp_path / "a" / "best.safetensors", "-l", 1e-6, "--augment", "none"]
    assert run(discs, *SMALL, *loaded, "-o", tmp_path / "b") == 0
    first, second = (json.loads((tmp_path / name / "log.json").read_text()) for name in ("a", "b"))
    assert abs(second[-1]["loss"] - first[-1]["loss"]) < abs(second[-1]["loss"] - first[0]["loss"])
    unet = UNetConfig(channels=(2, 4, 6, 8, 10))
    config = ImageNetworkConfig(unet=unet, mask_values=(0, 1), normalise="none")
    save_milesial(tmp_path / "m.pth", UNet(unet), config)
    assert run(discs, *SMALL, "--load", tmp_path / "m.pth", "-s", 1, "-o", tmp_path / "c") == 0
    _, config = load_image_network(tmp_path / "c" / "best.safetensors")
    assert config.unet == unet
    assert (config.mask_values, config.scale, config.normalise) == ((0, 255), 1.0, "none")


def test_other_loggers_and_curves_are_written(discs, tmp_path, capsys):
    arguments = ["--logger", "csv", "--device", "cpu", "-o", tmp_path / "run"]
    assert run(discs, *SMALL, *arguments) == 0
    assert list((tmp_path / "run").glob("*.csv"))
    assert (tmp_path / "run" / "curve.png").exists()
    assert run(discs, *SMALL, "--device", "tpu", "-o", tmp_path / "more") == 2
    assert "no device 'tpu'" in capsys.readouterr().err
    assert not (tmp_path / "more" / "log.json").exists()


def test_pictures_can_be_left_as_they_are(discs, tmp_path):
    (tmp_path / "r.toml").write_text('normalise = "none"\n[train]\nsteps = 2\nbatch_size = 2\n')
    assert run(discs, "--recipe", tmp_path / "r.toml", "-o", tmp_path / "run") == 0
    _, config = load_image_network(tmp_path / "run" / "last.safetensors")
    assert config.normalise == "none"


def test_overfit_learns_one_batch_by_heart(discs, tmp_path, capsys):
    assert run(discs, "--overfit", "-b", 2, "-o", tmp_path / "run") == 0
    assert "learned by heart" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_folder_heldout_is_scored_on(tmp_path, capsys):
    data = disc_set(tmp_path / "data", 3)
    disc_set(data / "heldout", 2)
    assert run(data, *SMALL, "-o", tmp_path / "run") == 0
    assert "3 pairs to learn from, 2 to score on" in capsys.readouterr().err
    heldout = data / "heldout" / "masks" / "disc_1_mask.png"
    Image.fromarray(np.full((32, 32), 7, np.uint8)).save(heldout)
    assert run(data, *SMALL, "-o", tmp_path / "more") == 2
    assert "the value 7 of the pixel" in capsys.readouterr().err


def test_a_single_pair_is_learned_from_and_scored_on(tmp_path, capsys):
    assert run(disc_set(tmp_path / "data", 1), *SMALL, "-o", tmp_path / "run") == 0
    assert "1 pairs to learn from, the same to score on" in capsys.readouterr().err


def test_the_recipe_that_comes_along_fits():
    recipe = image_recipe(shipped_folder("recipes") / "images.toml", {})
    assert recipe != ImageRecipe()


@pytest.mark.slow
def test_the_drawn_cars_are_found(tmp_path):
    assert run("-o", tmp_path / "run") == 0
    log = json.loads((tmp_path / "run" / "log.json").read_text())
    assert log[-1]["step"] <= 300
    assert log[-1]["dice"] >= 0.98
