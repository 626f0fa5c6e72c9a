import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from stemsep.data.image_augment import parse_augment
from stemsep.data.image_borders import balanced_weights, weight_map
from stemsep.data.image_pairs import read_image_set
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.training.segmentation import SegmentationTask
from stemsep.weights.checkpoint import Card
from tests.pictures import disc_set


@pytest.fixture(scope="module")
def discs(tmp_path_factory):
    return read_image_set(disc_set(tmp_path_factory.mktemp("discs"), 5))


def task_of(image_set, *, augment="all", crop=16, unet=None, **changes):
    unet = unet or UNetConfig(in_channels=1, out_channels=2, channels=(3, 4))
    settings = {
        "train": image_set,
        "valid": image_set,
        "crop": crop,
        "batch_size": 4,
        "loss": "ce+dice",
        "pos_weight": 1.0,
        "border_weight": 0.0,
        "augment": parse_augment(augment),
        "seed": 0,
        "card": Card(),
    }
    config = ImageNetworkConfig(unet=unet, mask_values=image_set.mask_values)
    return SegmentationTask(config, **{**settings, **changes})


def test_an_example_depends_on_seed_step_and_place_alone(discs):
    whole = task_of(discs).batch(7, range(4))
    for place in range(4):
        single = task_of(discs).batch(7, range(place, place + 1))
        for all_of_them, one in zip(whole, single, strict=True):
            assert torch.equal(all_of_them[place], one[0])
    other = task_of(discs, seed=1).batch(7, range(4))
    assert not torch.equal(other[0], whole[0])


def test_every_epoch_sees_each_picture_once(discs):
    task = task_of(discs)
    seen = [name for step in range(5) for name in task.sources(step, range(4))]
    names = {str(pair.image) for pair in discs.pairs}
    epochs = [seen[start : start + 5] for start in range(0, 20, 5)]
    assert all(set(epoch) == names for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_targets_lie_in_the_middle_of_what_the_network_sees(discs, padding):
    unet = UNetConfig(in_channels=1, out_channels=2, channels=(3, 4), padding=padding)
    task = task_of(discs, augment="none", crop=99, unet=unet)
    picture, target = task.batch(0, range(1))
    assert target.shape == (1, 32, 32)  # a crop larger than the pictures takes them whole
    lost = (picture.shape[-1] - 32) // 2 if padding == "valid" else 0
    index = [str(pair.image) for pair in discs.pairs].index(task.sources(0, range(1))[0])
    sample = task.samples[index]
    shown = picture[0, :, task.lost : task.lost + 32, task.lost : task.lost + 32]
    np.testing.assert_array_equal(shown.numpy(), sample.picture)
    np.testing.assert_array_equal(target[0].numpy(), sample.classes)
    assert lost == (task.lost + task.extra // 2)
    loss = task.loss(task.network, (picture, target))
    assert loss.ndim == 0
    loss.backward()


def test_crops_of_large_pictures_stay_inside(tmp_path):
    data = disc_set(tmp_path, 1, size=48)
    ramp = np.arange(48, dtype=np.uint8)[None].repeat(48, 0)  # the column of each pixel
    Image.fromarray(ramp).save(data / "imgs" / "disc_0.png")
    task = task_of(read_image_set(data), augment="none", crop=16)
    starts = set()
    for step in range(30):
        columns = task.batch(step, range(1))[0][0, 0, 0]
        steps = columns[1:] - columns[:-1]
        torch.testing.assert_close(steps, steps[:1].expand(15))  # nothing is mirrored
        starts.add(round(float(columns[0]), 3))
    assert len(starts) > 10


def test_the_weight_map_goes_along_with_the_crop(tmp_path):
    data = disc_set(tmp_path, 1)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 4:14], mask[8:24, 18:28] = 255, 255
    Image.fromarray(mask).save(data / "masks" / "disc_0_mask.png")
    instances = np.zeros((32, 32), np.uint16)
    instances[8:24, 4:14], instances[8:24, 18:28] = 1, 2
    (data / "instances").mkdir()
    Image.fromarray(instances).save(data / "instances" / "disc_0_instances.png")
    image_set = read_image_set(data)
    task = task_of(image_set, augment="none", crop=32, border_weight=10.0)
    picture, target, weight = task.batch(0, range(1))
    expected = weight_map(instances, mask // 255, balanced_weights(np.array(image_set.shares)))
    np.testing.assert_allclose(weight[0].numpy(), expected, rtol=1e-6)
    plain = task_of(image_set, augment="none", crop=32)
    assert task.loss(task.network, (picture, target, weight)) != plain.loss(
        task.network, (picture, target)
    )


def test_batch_norms_are_measured_anew_before_weights_are_scored(discs):
    task = task_of(discs, augment="none", crop=32)
    network = task.network.eval()
    assert isinstance(network, UNet)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        norm.running_mean.fill_(100)
    task.scores(network)
    assert not network.training
    assert all(norm.running_mean.abs().max() < 50 for norm in norms)  # type: ignore[union-attr]
    pictures, _ = task.batch(0, range(4))
    with torch.no_grad():
        first = network.encoder[0].first[0](pictures)
    torch.testing.assert_close(norms[0].running_mean, first.mean((0, 2, 3)), atol=0.2, rtol=0.2)


def test_scores_stand_beside_those_of_a_constant_prediction(discs):
    scores = task_of(discs).scores(task_of(discs).network)
    assert scores["score"] == scores["dice"] == scores["dice of 255"]
    assert scores["pictures"] == 5
    assert 0 < scores["constant_dice"] < 1
    assert scores["constant_pixel_error"] == pytest.approx(discs.shares[1], abs=1e-6)


def test_loggers_get_a_picture(discs):
    task = task_of(discs)
    (picture,) = task.pictures(task.network).values()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
