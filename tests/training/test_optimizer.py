import pytest
import torch
from torch import nn

from stemsep.training.config import TrainConfig
from stemsep.training.optimizer import build_optimizer, learning_rate


def rates(**options):
    config = TrainConfig(**{"steps": 100, "warmup_steps": 10, "learning_rate": 2.0, **options})
    return [learning_rate(config, step) for step in range(100)]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
def test_the_rate_rises_over_the_warm_up(schedule):
    assert rates(schedule=schedule)[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])


def test_a_cosine_falls_from_its_highest_to_nearly_zero():
    cosine = rates()[10:]
    assert cosine[0] == 2
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[45] == pytest.approx(1)
    assert 0 <= cosine[-1] < 2e-3
    assert learning_rate(TrainConfig(steps=1, warmup_steps=0, learning_rate=1.0), 0) == 1


def test_a_constant_rate_stays():
    assert set(rates(schedule="constant")[10:]) == {2.0}


def test_each_reduction_on_a_plateau_multiplies_the_rate():
    config = TrainConfig(schedule="plateau", plateau_factor=0.5, learning_rate=1.0, warmup_steps=4)
    assert [learning_rate(config, 4, reductions=n) for n in range(3)] == [1, 0.5, 0.25]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
        ("sgd", torch.optim.SGD),
    ],
)
def test_the_optimizer_is_the_configured_one_and_leaves_frozen_weights_out(name, kind):
    network = nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    config = TrainConfig(optimizer=name, learning_rate=0.5, weight_decay=0.25, momentum=0.75)
    optimizer = build_optimizer(network.parameters(), config)
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert [id(p) for p in group["params"]] == [id(network.weight)]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.25)
    assert group.get("momentum", 0.75) == 0.75
