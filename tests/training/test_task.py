import torch

from stemsep.training.task import on_device


def test_the_tensors_of_nested_batches_are_moved():
    batch = (torch.ones(2), {"a": [torch.ones(3)], "b": torch.ones(1)})
    moved = on_device(batch, torch.device("meta"))
    assert isinstance(moved, tuple)
    assert moved[0].is_meta
    assert moved[1]["a"][0].is_meta
    assert moved[1]["b"].is_meta
    assert not batch[0].is_meta
