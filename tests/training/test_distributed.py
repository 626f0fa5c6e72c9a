import json
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stemsep.errors import ParameterError
from stemsep.training import distributed, engine
from stemsep.training.distributed import Ranks, gathered, local_device, split, this_rank
from stemsep.training.engine import train
from tests.training.ranks import CONFIG
from tests.training.regression import Regression

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    step = random.randint(3, 11)  # noqa: S311
    command = [sys.executable, "-W", "error", "-m", "tests.training.ranks", str(folder), str(step)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"killed at step {step}: {done.stderr}"
    return folder


def state(folder):
    return torch.load(folder / "last.state", weights_only=True)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("ranks", ["one", "two"])
def test_a_killed_run_goes_on_to_the_end_of_the_uninterrupted_one_bit_for_bit(runs, ranks):
    straight, killed = runs / ranks / "straight", runs / ranks / "killed"
    assert same(state(straight), state(killed))
    assert (straight / "log.json").read_text() == (killed / "log.json").read_text()


def test_two_processes_do_what_one_does_with_the_same_batches(runs, tmp_path):
    # A bad example is skipped by both, too.
    lines = []
    train(Regression(plain=True, bad=[(3, 4)]), CONFIG, tmp_path, say=lines.append)
    one, two = state(tmp_path)["average"], state(runs / "plain")["average"]
    assert max((one[name] - two[name]).abs().max() for name in one) < 1e-5
    logs = [json.loads((f / "log.json").read_text()) for f in (tmp_path, runs / "plain")]
    assert [[entry["skipped"] for entry in log] for log in logs] == [[1, 0, 0], [1, 0, 0]]
    for entries in zip(*logs, strict=True):
        assert entries[0]["loss"] == pytest.approx(entries[1]["loss"], abs=1e-5)


def test_the_random_numbers_of_each_process_are_its_own(runs):
    first, second = state(runs / "two" / "straight")["random"]
    assert not torch.equal(first["torch"], second["torch"])


@pytest.mark.parametrize("length", [1, 5, 8])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_are_contiguous_and_about_equal(length, parts):
    pieces = split(range(10, 10 + length), parts)
    assert [i for piece in pieces for i in piece] == list(range(10, 10 + length))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert this_rank() == Ranks(0, 1)
    assert gathered("me") == ["me"]


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(distributed.torch.cuda, "device_count", lambda: 2)
    assert local_device(torch.device("cpu")) == torch.device("cpu")
    assert local_device(torch.device("cuda")) == torch.device("cuda:1")
    with pytest.raises(ParameterError, match="give 'cuda', each process takes one of its own"):
        local_device(torch.device("cuda:0"))
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ParameterError, match=r"process 2 .* give --nproc-per-node 2"):
        local_device(torch.device("cuda"))


def test_a_batch_that_is_too_small_for_the_processes_is_refused(tmp_path, monkeypatch):
    @contextmanager
    def four(_device):
        yield Ranks(0, 4)

    monkeypatch.setattr(engine, "process_group", four)
    with pytest.raises(ParameterError, match="batch_size = 6: 4 processes that take 2 parts each"):
        train(Regression(), replace(CONFIG, accumulate=2), tmp_path)
