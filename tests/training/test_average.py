import torch
from torch import nn

from stemsep.training.average import update_average


def test_the_average_takes_in_weights_and_statistics_and_copies_counters():
    network, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    for value in (network.weight.data, network.running_mean, network.running_var):
        value.fill_(5.0)
    for value in (average.weight.data, average.running_mean, average.running_var):
        value.fill_(1.0)
    network.num_batches_tracked.fill_(7)
    update_average(average, network, 0.75)
    assert average.weight.tolist() == average.running_mean.tolist() == [2.0, 2.0]
    assert average.running_var.tolist() == [2.0, 2.0]
    assert average.num_batches_tracked.item() == 7
    assert network.running_mean.tolist() == [5.0, 5.0]


def test_a_decay_of_zero_copies_to_the_bit():
    torch.manual_seed(0)
    network, average = nn.Linear(50, 50), nn.Linear(50, 50)
    update_average(average, network, 0.0)
    assert torch.equal(average.weight, network.weight)
