import csv
import math
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from stemsep import errors
from stemsep.errors import MissingExtraError, ParameterError
from stemsep.training.loggers import LOGGERS, open_logger

PICTURES = {"prediction": np.full((4, 6, 3), 128, np.uint8)}


def network():
    layer = nn.Linear(3, 2)
    layer(torch.ones(1, 3)).sum().backward()
    layer.bias.grad.fill_(math.nan)  # of a step that was left out
    return layer


def write(name, folder, step=0, *, first=1, last=3):
    with open_logger(name, folder, step=step) as log:
        for number in range(first, last + 1):
            log.numbers(number, {"train/loss": 1 / number, "train/learning_rate": 0.5})
        log.numbers(last, {"valid/score": 7.0, "valid/bass": -1.0})
        log.histograms(last, network())
        log.pictures(last, PICTURES)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_logger_writes_nothing(tmp_path):
    write("none", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_csv_has_a_file_a_group_and_a_column_a_number(tmp_path):
    write("csv", tmp_path)
    assert [row["step"] for row in rows(tmp_path / "train.csv")] == ["1", "2", "3"]
    assert float(rows(tmp_path / "train.csv")[1]["loss"]) == 0.5
    assert rows(tmp_path / "valid.csv") == [{"step": "3", "score": "7.0", "bass": "-1.0"}]


def test_a_resumed_run_replaces_the_rows_after_the_step_it_goes_on_from(tmp_path):
    write("csv", tmp_path)
    with (tmp_path / "train.csv").open("a") as file:
        file.write("4")  # killed in the middle of a line
    write("csv", tmp_path, step=2, first=3, last=5)
    assert [row["step"] for row in rows(tmp_path / "train.csv")] == ["1", "2", "3", "4", "5"]


def test_tensorboard_gets_numbers_histograms_and_pictures(tmp_path):
    write("tensorboard", tmp_path)
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.value for e in events.Scalars("train/loss")] == pytest.approx([1, 1 / 2, 1 / 3])
    assert events.Scalars("valid/score")[0].step == 3
    names = {"weights/weight", "weights/bias", "gradients/weight"}  # a NaN cannot be drawn
    assert set(events.Tags()["histograms"]) == names
    assert (events.Images("prediction")[0].height, events.Images("prediction")[0].width) == (4, 6)


def test_wandb_gets_numbers_histograms_and_pictures(tmp_path, monkeypatch):
    calls, logged, finished = [], [], []
    run = types.SimpleNamespace(
        log=lambda values, step: logged.append((step, values)),
        finish=lambda: finished.append(True),
    )
    fake = types.ModuleType("wandb")
    fake.init = lambda **options: calls.append(options) or run
    fake.Histogram = lambda values: ("histogram", values.shape)
    fake.Image = lambda values: ("picture", values.shape)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    write("wandb", tmp_path)
    write("wandb", tmp_path, step=3)
    assert calls[0]["resume"] is None
    assert calls[1]["resume"] == "allow"
    assert calls[0]["id"] == calls[1]["id"]
    assert logged[0] == (1, {"train/loss": 1.0, "train/learning_rate": 0.5})
    assert logged[4] == (
        3,
        {
            "weights/weight": ("histogram", (2, 3)),
            "weights/bias": ("histogram", (2,)),
            "gradients/weight": ("histogram", (2, 3)),
        },
    )
    assert logged[5] == (3, {"prediction": ("picture", (4, 6, 3))})
    assert finished == [True, True]


@pytest.mark.parametrize(("name", "extra"), [("tensorboard", "train"), ("wandb", "wandb")])
def test_a_logger_that_is_not_installed_is_told_before_the_run(tmp_path, monkeypatch, name, extra):
    def fail(module):
        raise ModuleNotFoundError(f"No module named '{module}'")

    monkeypatch.setattr(errors, "import_module", fail)
    with (
        pytest.raises(MissingExtraError, match=rf"needs {name}, .*stemsep\[{extra}\]"),
        open_logger(name, tmp_path, step=0),
    ):
        pass


def test_an_unknown_logger_lists_the_known_ones(tmp_path):
    with (
        pytest.raises(ParameterError, match=", ".join(LOGGERS)),
        open_logger("paper", tmp_path, step=0),
    ):
        pass
