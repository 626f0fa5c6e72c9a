import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from stemsep.errors import DatasetError, MissingExtraError, ParameterError, WeightsError
from stemsep.training import engine, validation
from stemsep.training import precision as training_precision
from stemsep.training import state as state_module
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train
from tests.training.regression import KilledError, Regression

CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=0.05, warmup_steps=2, validate_every=4, save_minutes=0.0
)


@pytest.fixture(autouse=True)
def no_curve(monkeypatch, request):
    # A picture takes longer than a run.
    if "curve" not in request.node.name:
        monkeypatch.setattr(engine, "draw_curve", lambda *_: None)


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


@pytest.mark.parametrize("fixed", [True, False])
def test_batch_norms_keep_their_statistics_if_they_are_fixed(tmp_path, fixed):
    regression, _ = run(tmp_path, replace(CONFIG, fixed_norm=fixed))
    before = Regression().network.state_dict()
    after = regression.network.state_dict()
    statistics = [name for name in before if "running" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in statistics) == fixed
    weights = [name for name in before if name.endswith("weight")]
    assert not any(torch.equal(before[name], after[name]) for name in weights)


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
        ("best.safetensors", 4, 1.0),
        ("last.safetensors", 4, 1.0),
        ("best.safetensors", 8, 3.0),
        ("last.safetensors", 8, 3.0),
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


def test_with_a_decay_of_zero_the_average_is_the_network(tmp_path):
    config = TrainConfig(steps=5, batch_size=4, learning_rate=0.05, ema=0.0)
    run(tmp_path, config)
    assert_same(state(tmp_path)["network"], state(tmp_path)["average"])


def test_the_state_is_complete_or_the_one_before(tmp_path, monkeypatch):
    run(tmp_path, TrainConfig(steps=4, batch_size=4))
    before = (tmp_path / "last.state").read_bytes()

    def full_disk(state, path):
        path.write_bytes(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(state_module.torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        run(tmp_path)
    assert (tmp_path / "last.state").read_bytes() == before
    assert not list(tmp_path.glob(".stemsep-*"))


def test_a_state_of_the_first_format_is_read(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill_at=7)
    old = state(tmp_path)
    del old["progress"]["losses"], old["format"], old["config"], old["scaler"], old["kind"]
    old["random"] = old["random"][0]["torch"]
    torch.save(old, tmp_path / "last.state")
    again, _ = run(tmp_path)
    assert again.seen[-1] == 11


def test_a_state_of_a_later_format_is_refused(tmp_path):
    run(tmp_path)
    torch.save({**state(tmp_path), "format": 99}, tmp_path / "last.state")
    with pytest.raises(WeightsError, match="cannot go on"):
        run(tmp_path)


def test_the_log_has_the_mean_loss_since_the_line_before(tmp_path, monkeypatch):
    losses, real = iter(range(12)), engine.take_step

    def counted(*args, **options):
        return replace(real(*args, **options), loss=float(next(losses)))

    monkeypatch.setattr(engine, "take_step", counted)
    run(tmp_path)
    assert [entry["loss"] for entry in log(tmp_path)] == [1.5, 5.5, 9.5]


def test_the_state_is_written_no_more_often_than_asked_for(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(engine, "save_state", lambda *state: written.append(state))
    run(tmp_path, TrainConfig(steps=6, batch_size=4, save_minutes=60.0))
    assert len(written) == 1


def test_a_run_that_is_asked_to_stop_keeps_its_state_and_goes_on_to_the_same_end(tmp_path):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    run(straight)
    calls = iter(range(100))
    rare = replace(CONFIG, save_minutes=60.0)
    result = train(Regression(), rare, stopped, stop=lambda: next(calls) == 4)
    assert (result.step, result.ended) == (5, "stopped")
    assert not (stopped / "curve.png").exists()
    again = train(Regression(), rare, stopped)
    assert (again.step, again.ended) == (12, "finished")
    one, other = state(straight), state(stopped)
    assert one["config"] != other["config"]  # of save_minutes
    assert_same({**one, "config": 0}, {**other, "config": 0})


def test_random_numbers_of_numpy_and_python_go_on_too(tmp_path):
    class Drawing(Regression):
        def loss(self, network, batch):
            drawn = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002, S311
            self.modes.append(drawn)
            return super().loss(network, batch)

    straight, first, then = Drawing(), Drawing(), Drawing()
    train(straight, CONFIG, tmp_path / "straight")
    calls = iter(range(100))
    train(first, CONFIG, tmp_path / "stopped", stop=lambda: next(calls) == 4)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    train(then, CONFIG, tmp_path / "stopped")
    assert first.modes + then.modes == straight.modes


def test_a_run_that_is_there_is_refused_where_it_is_not_to_go_on(tmp_path):
    run(tmp_path)
    with pytest.raises(ParameterError, match=r"there is a run in .* already"):
        train(Regression(), CONFIG, tmp_path, resume=False)


def test_settings_of_today_count_and_what_changed_is_told(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill_at=7)
    _, lines = run(tmp_path, replace(CONFIG, weight_decay=0.25))
    assert "weight_decay was 0.01 until here, is 0.25 from now on" in lines
    assert state(tmp_path)["optimizer"]["param_groups"][0]["weight_decay"] == 0.25


def test_another_optimizer_cannot_go_on(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, kill_at=7)
    with pytest.raises(WeightsError, match="of another network or optimizer"):
        run(tmp_path, replace(CONFIG, optimizer="sgd"))


def test_parts_of_a_batch_make_the_step_of_the_whole(tmp_path):
    config = replace(CONFIG, batch_size=7, optimizer="sgd", steps=6)
    results = {}
    for parts in (1, 2, 3):
        task = Regression(plain=True)
        train(task, replace(config, accumulate=parts), tmp_path / str(parts))
        results[parts] = torch.cat([p.flatten() for p in task.network.parameters()])
    # Sums of seven terms in another order, in float32.
    assert torch.allclose(results[1], results[2], rtol=0, atol=1e-6)
    assert torch.allclose(results[1], results[3], rtol=0, atol=1e-6)
    assert results[1].isfinite().all()


def test_patience_ends_a_run_that_gets_no_better_and_it_stays_ended(tmp_path):
    config = replace(CONFIG, steps=100, patience=2)
    task = Regression(score=[1.0, 2.0, 1.5, 2.0, 9.0])
    result = train(task, config, tmp_path)
    assert (result.step, result.best, result.ended) == (16, 2.0, "patience")
    lines = []
    assert train(Regression(), config, tmp_path, say=lines.append).step == 16
    assert lines == ["ended already at step 16 of 100"]


def test_a_plateau_lowers_the_rate_and_a_resumed_run_remembers(tmp_path):
    config = replace(CONFIG, schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    config = replace(config, validate_every=2, warmup_steps=0)
    task = Regression(score=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5])
    train(task, config, tmp_path, stop=lambda: task.saved[-1:] == [("last.safetensors", 8, 0.7)])
    assert state(tmp_path)["optimizer"]["param_groups"][0]["lr"] == 0.025
    train(Regression(score=[0.6, 0.5]), config, tmp_path)
    assert state(tmp_path)["optimizer"]["param_groups"][0]["lr"] == 0.0125


def test_a_bad_batch_is_skipped_counted_and_its_song_named(tmp_path):
    _, lines = run(tmp_path, bad=[(1, 5)])
    expected = "step 1 left out, as loss or gradient was not finite; it had 'song 1-5'"
    assert expected in lines
    assert [entry["skipped"] for entry in log(tmp_path)] == [1, 0, 0]


def test_a_second_bad_batch_within_ten_steps_ends_the_run_and_names_its_songs(tmp_path):
    config = replace(CONFIG, steps=40)
    with pytest.raises(DatasetError, match=r"at step 12, as at step 3: .* in 'song 12-2';"):
        run(tmp_path, config, bad=[3, (12, 2)])
    assert all(value.isfinite().all() for value in state(tmp_path)["network"].values())
    assert state(tmp_path)["progress"]["step"] == 13
    # Once more the command, and the run goes on behind it.
    assert run(tmp_path, config)[0].seen[0] == 13


def test_bad_batches_further_apart_do_not_end_a_run(tmp_path):
    run(tmp_path, bad=[0, 10])
    assert [entry["skipped"] for entry in log(tmp_path)] == [1, 0, 1]


def test_a_gradient_that_is_not_finite_names_the_whole_batch(tmp_path):
    class Steep(Regression):
        def loss(self, network, batch):
            weight = network[2].weight
            return super().loss(network, batch) + (weight - weight.detach()).abs().sqrt().sum()

    with pytest.raises(DatasetError, match=r"'song 1-0', 'song 1-1', .*'song 1-7';"):
        train(Steep(), CONFIG, tmp_path)


def test_weights_that_are_not_finite_are_never_written(tmp_path):
    config = replace(CONFIG, optimizer="sgd", learning_rate=3e38, clip_norm=0.0, warmup_steps=0)
    task = Regression()
    with pytest.raises(WeightsError, match=r"after step \d+ the network's .* is not finite"):
        train(task, config, tmp_path)
    assert not list(tmp_path.glob("*.s*"))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_network_runs_in_the_precision_asked_for(tmp_path, monkeypatch, precision):
    monkeypatch.setattr(training_precision, "has_bf16", lambda _device: True)
    task, seen = Regression(), []
    task.network[2].register_forward_hook(lambda *call, to=seen: to.append(call[-1].dtype))
    train(task, replace(CONFIG, precision=precision, ema=0.5), tmp_path)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert seen[0] == dtype
    assert log(tmp_path)[-1]["skipped"] == 0
    assert log(tmp_path)[-1]["score"] > log(tmp_path)[0]["score"]


def test_bf16_without_the_hardware_is_fp32_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(training_precision, "has_bf16", lambda _device: False)
    task, seen = Regression(), []
    task.network[2].register_forward_hook(lambda *call, to=seen: to.append(call[-1].dtype))
    lines = []
    train(task, replace(CONFIG, precision="bf16"), tmp_path, say=lines.append)
    assert seen[0] == torch.float32
    assert lines[0] == "no bf16 hardware here (cpu): training in fp32"


def test_an_overflow_of_fp16_mends_itself_and_is_no_bad_batch(tmp_path):
    class Large(Regression):
        def loss(self, network, batch):
            return 100 * super().loss(network, batch)  # times 65536, the first scale: too much

    lines = []
    config = replace(CONFIG, precision="fp16", steps=20)
    train(Large(), config, tmp_path, say=lines.append)
    assert sum(entry["skipped"] for entry in log(tmp_path)) >= 2
    assert not any("left out" in line for line in lines)
    assert state(tmp_path)["scaler"]["scale"] < 65536


def test_too_large_a_batch_says_what_to_lower(tmp_path):
    class Huge(Regression):
        def loss(self, network, batch):  # noqa: ARG002
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(
        ParameterError, match="out of memory on cpu: lower batch_size, or raise acc"
    ):
        train(Huge(), CONFIG, tmp_path)


def test_a_curve_is_drawn_at_the_end_and_without_matplotlib_a_line_says_so(tmp_path, monkeypatch):
    run(tmp_path / "with")
    assert (tmp_path / "with/curve.png").read_bytes().startswith(b"\x89PNG")

    def missing(*_args):
        raise MissingExtraError("this needs matplotlib")

    monkeypatch.setattr(validation, "learning_curve", missing)
    _, lines = run(tmp_path / "without")
    assert lines[-1] == "no curve.png: this needs matplotlib"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method.:DeprecationWarning")  # torch's own
def test_a_compiled_network_learns_and_its_state_has_plain_names(tmp_path):
    task = Regression(plain=True)
    train(task, replace(CONFIG, compile=True), tmp_path)
    assert log(tmp_path)[-1]["score"] > log(tmp_path)[0]["score"]
    assert set(state(tmp_path)["network"]) == {"0.weight", "0.bias", "2.weight", "2.bias"}
