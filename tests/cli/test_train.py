import json
import os
import signal
import sys
import tomllib

import pytest

from stemsep.cli import training_run
from stemsep.cli.main import main
from stemsep.errors import DatasetError
from stemsep.training import recipe as recipes
from tests.training.regression import Regression

RECIPE = """
[network]
stems = ["vocals", "drums", "bass", "other"]
sample_rate = 8000
n_bins = 128
stft = { n_fft = 256, hop_length = 64 }
unet = { in_channels = 2, out_channels = 2, stems = 4, channels = [4, 4] }

[train]
steps = 12
warmup_steps = 2
validate_every = 4

[valid]
path = "valid"

[[sources]]
path = "songs"
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "build_task", lambda *_: Regression())
    (tmp_path / "mine.toml").write_text(RECIPE)
    return "mine.toml"


def test_a_run_leaves_networks_recipe_log_and_curve_and_says_how_it_goes(recipe, tmp_path, capsys):
    assert main(["train", recipe, "--data", "."]) == 0
    names = {path.name for path in (tmp_path / "runs" / "mine").iterdir()}
    files = {"best.safetensors", "last.safetensors", "recipe.toml", "log.json", "curve.png"}
    assert names == files | {"last.state"}
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0].startswith("step 4, loss ")
    assert lines[-1] == "done after 12 steps: runs/mine/best.safetensors"


def test_settings_reach_the_run_and_the_recipe_that_is_kept(recipe, tmp_path):
    options = ["--set", "train.steps=3", "--set", "train.optimizer=sgd", "-o", "out"]
    assert main(["train", recipe, "--data", ".", "--logger", "csv", *options]) == 0
    kept = tomllib.loads((tmp_path / "out" / "recipe.toml").read_text())
    assert (kept["train"]["steps"], kept["train"]["optimizer"]) == (3, "sgd")
    assert [entry["step"] for entry in json.loads((tmp_path / "out/log.json").read_text())] == [3]
    assert (tmp_path / "out" / "valid.csv").exists()


def test_the_same_command_goes_on_and_one_that_has_ended_says_so(recipe, capsys):
    assert main(["train", recipe, "--data", ".", "--set", "train.steps=4"]) == 0
    assert main(["train", recipe, "--data", "."]) == 0
    assert "resumed at step 4 of 12\n" in capsys.readouterr().err
    assert main(["train", recipe, "--data", "."]) == 0
    assert capsys.readouterr().err.startswith("ended already at step 12 of 12\n")


def test_a_dry_run_prints_a_recipe_and_its_cost_needs_no_data_and_leaves_nothing(
    recipe, tmp_path, capsys
):
    assert main(["train", recipe, "--dry-run", "--set", "train.batch_size=2"]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text)["train"]["batch_size"] == 2
    assert tomllib.loads(text)["remix"]["remix"] == 0.75
    assert [line for line in text.splitlines() if " parameters" in line and line[0] == "#"]
    assert [line for line in text.splitlines() if " GMAC " in line and line[0] == "#"]
    assert [line for line in text.splitlines() if " MiB for a step" in line and line[0] == "#"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
    (tmp_path / "again.toml").write_text(text)
    assert main(["train", "again.toml", "--dry-run"]) == 0
    assert capsys.readouterr().out == text


def test_a_dry_run_with_data_looks_whether_they_are_there(recipe, monkeypatch, capsys):
    def missing(*_):
        raise DatasetError("sources[0].path: no folder 'nowhere/songs'")

    monkeypatch.setattr(recipes, "build_task", missing)
    assert main(["train", recipe, "--dry-run", "--data", "nowhere"]) == 1
    expected = "Error: 'mine.toml': sources[0].path: no folder 'nowhere/songs'\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "train.step=3"], "unknown key 'train.step'; did you mean steps?"),
        (["--set", "train.steps=many"], "'train.steps' = 'many': it must be a whole number"),
        (["--set", "train.steps=0"], "in 'train': steps = 0: it must be 1 or more"),
        (["--set", "steps"], "'steps': give a key and its value"),
    ],
)
def test_a_wrong_setting_is_one_line_with_file_and_key(recipe, capsys, options, message):
    assert main(["train", recipe, "--data", ".", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: 'mine.toml'")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--data", ".", "--device", "tpu"], 1, "no device 'tpu' here"),
        (["--data", ".", "--logger", "paper"], 2, "'paper' is not one of"),
    ],
)
def test_wrong_usage_is_told(recipe, capsys, options, status, message):
    assert main(["train", recipe, *options]) == status
    assert message in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_state_exits_130_and_goes_on(
    recipe, monkeypatch, capsys, number
):
    class Interrupted(Regression):
        def scores(self, network):
            os.kill(os.getpid(), number)
            return super().scores(network)

    monkeypatch.setattr(recipes, "build_task", lambda *_: Interrupted())
    before = signal.getsignal(number)
    assert main(["train", recipe, "--data", "."]) == 130
    assert signal.getsignal(number) is before
    # The signal comes during the validation after step 4 and is noticed at step 5.
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        "Interrupted. The first 5 of 12 steps are kept in 'runs/mine/last.state'"
    )
    monkeypatch.setattr(recipes, "build_task", lambda *_: Regression())
    assert main(["train", recipe, "--data", "."]) == 0
    assert "resumed at step 5 of 12" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_second_ctrl_c_some_seconds_later_interrupts_at_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(training_run.time, "monotonic", lambda: now[0])
    with training_run._stop_requested() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        now[0] += 2.0  # torchrun passes it on
        os.kill(os.getpid(), signal.SIGINT)
        now[0] += 2.0
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_terminal_gets_a_bar_with_speed_and_time_left(recipe, monkeypatch, capsys):
    monkeypatch.setattr(training_run.sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["train", recipe, "--data", "."]) == 0
    text = capsys.readouterr().err
    assert "12/12" in text
    assert "steps/s" in text
    assert "left" in text


def test_without_a_terminal_lines_tell_speed_and_time_left(recipe, monkeypatch, capsys):
    monkeypatch.setattr(training_run, "LINE_SECONDS", 0.0)
    assert main(["train", recipe, "--data", "."]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step 3 of")]
    assert len(lines) == 1
    assert "steps/s" in lines[0]
    assert lines[0].endswith(" left")
    assert main(["train", recipe, "--data", ".", "--quiet", "-o", "quiet"]) == 0
    assert "steps/s" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (7500, "2 h 5 min")]
)
def test_time_left_is_told_in_words(seconds, words):
    assert training_run._in_words(seconds) == words


def test_a_network_to_go_on_from_reaches_the_recipe(recipe, tmp_path):
    (tmp_path / recipe).write_text(RECIPE[RECIPE.index("[train]") :])
    assert main(["train", recipe, "--data", ".", "--init", "default"]) == 0
    kept = tomllib.loads((tmp_path / "runs" / "mine" / "recipe.toml").read_text())
    assert kept["init"] == "default"
    assert kept["network"]["sample_rate"] == 44100
    assert kept["card"]["license"].startswith("for academic")


def test_a_recipe_that_makes_its_songs_needs_no_data_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = 'kind = "synthetic"\ntracks = 1\nseconds = 1.5\n'
    text = RECIPE.replace('path = "songs"\n', made).replace('path = "valid"\n', f"{made}seed = 3\n")
    (tmp_path / "mine.toml").write_text(text.replace("steps = 12", "steps = 2"))
    assert main(["train", "mine.toml", "--quiet"]) == 0
    assert (tmp_path / "runs" / "mine" / "best.safetensors").is_file()
