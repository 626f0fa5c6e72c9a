import numpy as np
import pytest
import torch

from stemsep.data.track import Track
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train
from stemsep.training.presence import HeardStems, PresenceConfig, presence_loss
from stemsep.training.separation import SeparationTask
from stemsep.training.trainable import separator_in
from stemsep.weights.checkpoint import load_network
from tests.networks import tiny_config, tiny_network
from tests.training.test_separation import build, track

PRESENT = {"presence": 32, "freq_bins": 128}


def task(**options) -> SeparationTask:
    network = tiny_network(**PRESENT)
    return build(
        [track("a"), track("b", seed=10)],
        [track("c", seed=20)],
        config=tiny_config(**PRESENT),
        initial=network,
        presence=PresenceConfig(width=32),
        absent=0.8,
        **options,
    )


def test_the_loss_is_the_cross_entropy_of_what_is_loud_enough():
    stems = torch.zeros(1, 4, 2, 100)
    stems[0, 0], stems[0, 1], stems[0, 2] = 1.0, 10 ** (-34 / 20), 10 ** (-36 / 20)
    logits = torch.tensor([[2.0, 0.0, 0.0, -1.0]])
    told = torch.tensor([2.0, 0.0, 0.0, 1.0])  # of what is: yes, yes, no, no
    expected = float(torch.log1p(torch.exp(-told)).mean())
    found = presence_loss(logits, stems, torch.ones(1, 4), quiet_db=35.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    wrong = torch.tensor([[2.0, 0.0, 9.0, -1.0]])
    weight = torch.tensor([[1.0, 1.0, 0.0, 1.0]])  # not to be learned from
    trusted = presence_loss(wrong, stems, weight, quiet_db=35.0).item()
    assert trusted == pytest.approx(expected - np.log(2) / 4, rel=1e-5)
    silence = presence_loss(logits, 0 * stems, torch.ones(1, 4), quiet_db=35.0).item()
    assert silence == pytest.approx(float(torch.log1p(torch.exp(logits)).mean()), rel=1e-5)


def test_only_what_tells_is_trained_and_it_learns(tmp_path):
    learning = task()
    before = {k: v.clone() for k, v in separator_in(learning.network).state_dict().items()}
    batch = learning.batch(1000, range(16))
    with torch.no_grad():
        first = learning.loss(learning.network.eval(), batch).item()
    assert first == pytest.approx(np.log(2), abs=0.01)  # it knows nothing
    config = TrainConfig(
        steps=80, batch_size=8, learning_rate=2e-2, warmup_steps=3, validate_every=80, ema=0.5
    )
    train(learning, config, tmp_path, say=lambda _: None)
    network = load_network(tmp_path / "last.safetensors")
    with torch.no_grad():
        assert learning.loss(HeardStems(network).eval(), batch).item() < 0.75 * first
    trained = separator_in(learning.network).state_dict()
    changed = {name for name in before if not torch.equal(before[name], trained[name])}
    assert changed
    assert all(name.startswith("unet.presence.") for name in changed)


def test_the_score_is_that_of_the_masks():
    learning = task()
    network = separator_in(learning.network)
    network.unet.presence.heard.bias.data = torch.tensor([-6.0, 20.0, 20.0, 20.0])
    scores = learning.scores(learning.network.eval())
    assert scores["vocals"] < 0.5  # said not to be there, it gets nothing
    assert learning.pictures(learning.network)


def test_what_is_not_to_be_learned_from_is_not():
    silent = Track(
        name="d", sample_rate=8000, stems=track("d").stems, unreliable=frozenset({"bass"})
    )
    learning = build(
        [silent, track("a")],
        [track("c", seed=20)],
        config=tiny_config(**PRESENT),
        initial=tiny_network(**PRESENT),
        presence=PresenceConfig(width=32),
        remix=0.0,
    )
    batch = next(
        batch
        for step in range(50)
        if not (batch := learning.batch(step, range(1)))["reliable"].all()
    )
    loss = learning.loss(learning.network.eval(), batch)
    assert loss.item() == pytest.approx(np.log(2) * 3 / 4, abs=0.01)


@pytest.mark.parametrize("values", [{"width": -1}, {"quiet_db": 0.0}, {"quiet_db": 101.0}])
def test_values_that_cannot_be_are_refused(values):
    with pytest.raises(ValueError, match="give a width of 0 or more and a level of up to 100"):
        PresenceConfig(**values)
