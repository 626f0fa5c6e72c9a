import torch

from stemsep.cli.main import main
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.weights.checkpoint import Card, save_network
from stemsep.weights.milesial import load_milesial


def saved(path, **switches):
    unet = UNetConfig(channels=(2, 4, 6, 8, 10), **switches)
    network = UNet(unet).eval()
    config = ImageNetworkConfig(unet=unet, mask_values=(0, 255), normalise="none")
    save_network(path, network.state_dict(), config, Card())
    return network


def test_networks_for_pictures_become_state_dicts(tmp_path):
    network = saved(tmp_path / "a.safetensors")
    arguments = ["export", "--model", str(tmp_path / "a.safetensors"), "--format", "pth"]
    assert main([*arguments, "-o", str(tmp_path / "a.pth")]) == 0
    assert torch.load(tmp_path / "a.pth", weights_only=True)["mask_values"] == [0, 255]
    loaded, config = load_milesial(tmp_path / "a.pth")
    picture = torch.rand(1, 3, 20, 20)
    torch.testing.assert_close(loaded(picture), network(picture))
    assert config.mask_values == (0, 255)


def test_what_the_program_does_not_have_is_refused(tmp_path, capsys):
    saved(tmp_path / "a.safetensors", activation="gelu")
    for model, message in {
        str(tmp_path / "a.safetensors"): "without further switches",
        "default": "not one for pictures",
    }.items():
        output = tmp_path / "b.pth"
        assert main(["export", "--model", model, "--format", "pth", "-o", str(output)]) == 1
        assert message in capsys.readouterr().err
        assert not output.exists()
