import json
import math

import pytest
import torch
from torch import nn

from stemsep.errors import ParameterError, WeightsError
from stemsep.training import engine
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train

WEIGHT = torch.tensor([[1.0, -2.0, 3.0]])
CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=0.05, warmup_steps=2, validate_every=4, save_minutes=0.0
)


class KilledError(Exception):
    pass


class Regression:
    # Finds `WEIGHT` from noise; batch norm and dropout give it buffers and random numbers.

    def __init__(self, *, kill_at=None, bad=(), width=3, score=None):
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(0.1), nn.Linear(width, 1))
        self.kill_at, self.bad, self.width, self.score = kill_at, bad, width, score
        self.saved, self.seen, self.modes = [], [], []

    def batch(self, step, examples):
        if step == self.kill_at:
            raise KilledError
        self.seen.append(step)
        generators = [torch.Generator().manual_seed(1000 * step + i) for i in examples]
        batch = torch.stack([torch.randn(self.width, generator=g) for g in generators])
        return batch * math.nan if step in self.bad else batch

    def loss(self, network, batch):
        self.modes.append(network.training)
        return (network(batch) - batch @ WEIGHT.T).square().mean()

    def scores(self, network):
        self.modes.append(network.training)
        batch = torch.randn(100, 3, generator=torch.Generator().manual_seed(10**6))
        if self.score is not None:
            return {"score": self.score.pop(0)}
        return {"score": -(network(batch) - batch @ WEIGHT.T).square().mean().item()}

    def save(self, network, path, step, scores):  # noqa: ARG002
        self.saved.append((path.name, step, scores["score"]))
        path.write_text(f"{step}")


def run(folder, config=CONFIG, **task):
    lines = []
    regression = Regression(**task)
    train(regression, config, folder, say=lines.append)
    return regression, lines


def log(folder):
    return json.loads((folder / "log.json").read_text())


def state(folder):
    return torch.load(folder / "last.state", weights_only=True)


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


def test_it_learns(tmp_path):
    config = TrainConfig(
        steps=150, batch_size=32, learning_rate=0.1, warmup_steps=10, validate_every=50, ema=0.9
    )
    _, lines = run(tmp_path, config)
    scores = [entry["score"] for entry in log(tmp_path)]
    # The variance of what is to be learnt is 14; dropout leaves some of it.
    assert scores[-1] > -0.7
    assert log(tmp_path)[-1]["loss"] < log(tmp_path)[0]["loss"]
    assert len(lines) == 3


@pytest.mark.parametrize("kill_at", [3, 4, 7])
def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path, kill_at):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run(straight)
    with pytest.raises(KilledError):
        run(killed, kill_at=kill_at)
    torch.rand(5)  # whatever the process did in between
    again, lines = run(killed)
    # The batch after the one in use is being made, so one step more or less is lost.
    assert again.seen[0] in (kill_at - 1, kill_at)
    assert lines[0] == f"resumed at step {again.seen[0]} of 12"
    assert_same(state(straight), state(killed))
    assert log(straight) == log(killed)


def test_what_was_logged_after_the_last_state_is_not_logged_twice(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run(straight)
    with pytest.raises(KilledError):
        run(killed, kill_at=3)
    early = (killed / "last.state").read_bytes()
    with pytest.raises(KilledError):
        run(killed, kill_at=7)
    (killed / "last.state").write_bytes(early)
    run(killed)
    assert [entry["step"] for entry in log(killed)] == [4, 8, 12]
    assert log(straight) == log(killed)


def test_a_finished_run_stays_as_it_is(tmp_path):
    run(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again, _ = run(tmp_path)
    assert again.seen == []
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_state_of_before_losses_were_kept_is_read(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill_at=7)
    old = state(tmp_path)
    del old["progress"]["losses"]
    torch.save(old, tmp_path / "last.state")
    again, _ = run(tmp_path)
    assert again.seen[-1] == 11


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "another network"])
def test_a_state_that_cannot_be_used_is_named(tmp_path, damage):
    if damage == "another network":
        with pytest.raises(KilledError):
            run(tmp_path, kill_at=7)
    else:
        run(tmp_path)
    path = tmp_path / "last.state"
    content = {"truncated": path.read_bytes()[:-100], "text": b"hello", "empty": b""}
    path.write_bytes(content.get(damage, path.read_bytes()))
    width = 5 if damage == "another network" else 3
    with pytest.raises(WeightsError, match=r"cannot go on from '.*last\.state'"):
        run(tmp_path, width=width)


def test_last_is_written_at_each_validation_and_best_when_it_is_better(tmp_path):
    task, _ = run(tmp_path, score=[1.0, 3.0, 2.0])
    assert task.saved == [
        ("last.safetensors", 4, 1.0),
        ("best.safetensors", 4, 1.0),
        ("last.safetensors", 8, 3.0),
        ("best.safetensors", 8, 3.0),
        ("last.safetensors", 12, 2.0),
    ]
    assert (tmp_path / "best.safetensors").read_text() == "8"
    assert (tmp_path / "last.safetensors").read_text() == "12"


def test_a_resumed_run_remembers_what_was_best(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill_at=7, score=[5.0])
    task, _ = run(tmp_path, score=[3.0, 4.0])
    assert {name for name, _, _ in task.saved} == {"last.safetensors"}


def test_the_last_step_is_validated_too(tmp_path):
    run(tmp_path, TrainConfig(steps=5, batch_size=2, validate_every=3))
    assert [entry["step"] for entry in log(tmp_path)] == [3, 5]


def test_the_log_has_the_mean_loss_since_the_line_before(tmp_path, monkeypatch):
    losses = iter(range(12))
    monkeypatch.setattr(engine, "_step", lambda *_: float(next(losses)))
    run(tmp_path)
    assert [entry["loss"] for entry in log(tmp_path)] == [1.5, 5.5, 9.5]


def test_the_network_is_trained_in_training_mode_and_scored_in_evaluation_mode(tmp_path):
    task, _ = run(tmp_path)
    assert task.modes == ([True] * 4 + [False]) * 3


def test_a_non_finite_step_changes_nothing_and_is_counted(tmp_path):
    task, before = Regression(bad=(1,)), []
    loss = task.loss

    def watched(network, batch):
        before.append({name: value.clone() for name, value in network.state_dict().items()})
        return loss(network, batch)

    task.loss = watched
    train(task, CONFIG, tmp_path, say=lambda _: None)
    assert not torch.equal(before[0]["2.weight"], before[1]["2.weight"])
    assert_same(before[1], before[2])  # before and after the bad step, batch norm included
    assert [entry["skipped"] for entry in log(tmp_path)] == [1, 0, 0]
    assert math.isfinite(log(tmp_path)[0]["loss"])
    assert all(value.isfinite().all() for value in state(tmp_path)["average"].values())


def test_a_run_in_which_nothing_is_finite_stops_and_says_so(tmp_path):
    with pytest.raises(ParameterError, match="not finite in any of the last 4 steps before step 8"):
        run(tmp_path, bad=(4, 5, 6, 7))


def test_the_average_takes_in_weights_and_statistics_and_copies_counters():
    network, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    for value in (network.weight.data, network.running_mean, network.running_var):
        value.fill_(5.0)
    for value in (average.weight.data, average.running_mean, average.running_var):
        value.fill_(1.0)
    network.num_batches_tracked.fill_(7)
    engine._update_average(average, network, 0.75)
    assert average.weight.tolist() == average.running_mean.tolist() == [2.0, 2.0]
    assert average.running_var.tolist() == [2.0, 2.0]
    assert average.num_batches_tracked.item() == 7
    assert network.running_mean.tolist() == [5.0, 5.0]


def test_with_a_decay_of_zero_the_average_is_the_network(tmp_path):
    config = TrainConfig(steps=5, batch_size=4, learning_rate=0.05, ema=0.0)
    run(tmp_path, config)
    assert_same(state(tmp_path)["network"], state(tmp_path)["average"])


def test_the_rate_rises_over_the_warm_up_and_falls_to_nearly_zero():
    config = TrainConfig(steps=100, warmup_steps=10)
    rates = [engine._schedule(step, config) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert 0 <= rates[-1] < 1e-3
    assert engine._schedule(0, TrainConfig(steps=1, warmup_steps=0)) == 1


def test_the_state_is_complete_or_the_one_before(tmp_path, monkeypatch):
    run(tmp_path, TrainConfig(steps=4, batch_size=4))
    before = (tmp_path / "last.state").read_bytes()

    def full_disk(state, path):
        path.write_bytes(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(engine.torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        run(tmp_path)
    assert (tmp_path / "last.state").read_bytes() == before
    assert not list(tmp_path.glob(".stemsep-*"))


def test_the_state_is_written_no_more_often_than_asked_for(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(engine, "_save_state", lambda *state: written.append(state))
    run(tmp_path, TrainConfig(steps=6, batch_size=4, save_minutes=60.0))
    assert len(written) == 1


def test_the_network_runs_in_the_precision_asked_for(tmp_path):
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        task, seen = Regression(), []
        task.network[2].register_forward_hook(lambda *call, to=seen: to.append(call[-1]))
        config = TrainConfig(steps=1, batch_size=4, precision=precision)
        train(task, config, tmp_path / precision, say=lambda _: None)
        assert seen[0].dtype == dtype
