import json

import pytest
import torch
from safetensors import safe_open

from stemsep.errors import ParameterError, WeightsError
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.weights.checkpoint import (
    Card,
    load_image_network,
    load_network,
    read_image_card,
    save_network,
)
from stemsep.weights.info import describe
from tests.networks import tiny_network

UNET = UNetConfig(in_channels=1, out_channels=2, channels=(3, 4), activation="gelu")


def config_of(**changes):
    return ImageNetworkConfig(**{"unet": UNET, "mask_values": (0, 255), **changes})


@pytest.mark.parametrize(
    "config",
    [
        config_of(),
        config_of(mask_values=((0, 0, 0), (255, 0, 0)), scale=0.5, normalise="none"),
        config_of(mask_values=(0, 1), palette=((0, 0, 0), (9, 8, 7))),
    ],
)
def test_image_networks_come_back_with_all_that_they_need(tmp_path, config):
    path = tmp_path / "a.safetensors"
    network = UNet(config.unet).eval()
    save_network(path, network.state_dict(), config, Card(steps=3))
    loaded, again = load_image_network(path)
    assert again == config
    assert read_image_card(path) == (config, Card(steps=3))
    picture = torch.rand(1, 1, 9, 8)
    assert torch.equal(loaded(picture), network(picture))


def test_networks_for_sound_and_for_pictures_are_not_mistaken(tmp_path):
    image, sound = tmp_path / "image.safetensors", tmp_path / "sound.safetensors"
    save_network(image, UNet(UNET).state_dict(), config_of(), Card())
    network = tiny_network()
    save_network(sound, network.state_dict(), network.config, Card())
    with pytest.raises(WeightsError, match="not one for separation"):
        load_network(image)
    with pytest.raises(WeightsError, match="not one for pictures"):
        load_image_network(sound)
    with safe_open(image, framework="pt") as file:
        assert file.metadata()["kind"] == "segmentation"


def test_models_info_tells_what_an_image_network_is(tmp_path):
    path = tmp_path / "a.safetensors"
    save_network(path, UNet(UNET).state_dict(), config_of(), Card())
    told = describe(path)
    assert json.loads(json.dumps(told)) == told | {
        "network": json.loads(json.dumps(told["network"]))
    }
    assert told["kind"] == "segmentation"
    assert told["mask_values"] == [0, 255]
    assert told["channels"] == 1
    assert told["parameters"] == sum(p.numel() for p in UNet(UNET).parameters())
    assert told["gmac_per_megapixel"] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_values": (0,)}, "two or more"),
        ({"mask_values": (0, 0)}, "two or more"),
        ({"mask_values": (0, 1, 2)}, "3 mask values, but the U-Net has 2 outputs"),
        ({"mask_values": (0, "red")}, "mask value 'red'"),
        ({"scale": 0.0}, "scale = 0.0"),
        ({"scale": 2.0}, "scale = 2.0"),
        ({"normalise": "all"}, "normalise = 'all'"),
        ({"unet": UNetConfig(in_channels=2)}, "in_channels = 2"),
        ({"unet": UNetConfig(stems=2)}, "stems = 0"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        config_of(**changes)
