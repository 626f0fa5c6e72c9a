import pytest
import torch
from torch import nn

from stemsep.models import MaskNetwork, count_parameters, macs
from stemsep.training.config import TrainConfig
from stemsep.training.step_cost import step_cost
from tests.networks import tiny_config


def layers():
    return nn.Sequential(nn.Linear(10, 20, bias=False), nn.Tanh(), nn.Linear(20, 5, bias=False))


def cost(**options):
    return step_cost(layers, (10,), TrainConfig(**{"batch_size": 8, **options}))


def test_parameters_macs_and_bytes_of_two_layers_are_what_one_counts_by_hand():
    found = cost(optimizer="sgd")
    assert found.parameters == found.macs == 300  # one multiplication a weight
    # Weight, gradient, average, momentum.
    assert found.weights_bytes == 4 * 4 * 300
    # The input, and what tanh gave, which it and the second layer share.
    assert found.kept_bytes == 4 * 8 * (10 + 20)


def test_adam_keeps_two_values_a_weight():
    assert cost(optimizer="adamw").weights_bytes == 4 * 5 * 300


def test_parts_need_less_and_as_many_macs_an_example():
    assert cost(accumulate=4).kept_bytes == cost().kept_bytes / 4
    assert cost(accumulate=4).macs == cost().macs


def test_it_agrees_with_the_models_own_count_and_nothing_is_computed():
    config, shape = tiny_config(), (2, 128, 24)
    found = step_cost(lambda: MaskNetwork(config), shape, TrainConfig(batch_size=2))
    network = MaskNetwork(config)
    assert found.parameters == count_parameters(network)
    assert found.macs == macs(network, *shape[1:])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_kept_is_what_a_real_pass_keeps(precision):
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    network = MaskNetwork(tiny_config()).train()
    own = {v.untyped_storage().data_ptr() for v in [*network.parameters(), *network.buffers()]}
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        masks = network(torch.rand(3, 2, 128, 24))
    real = sum(size for address, size in kept.items() if address not in own)
    config = TrainConfig(batch_size=3, precision=precision)
    found = step_cost(lambda: MaskNetwork(tiny_config()), (2, 128, 24), config)
    assert found.kept_bytes == pytest.approx(real, rel=0.02)  # copies of weights in bf16
    assert masks.shape[0] == 3


def test_it_reads_as_three_lines():
    text = str(step_cost(layers, (10,), TrainConfig()))
    assert text.splitlines()[0] == "300 parameters"
    assert "MiB for a step (estimated:" in text.splitlines()[2]
