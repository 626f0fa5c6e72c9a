import io
from pathlib import Path

import pytest
import torch

from stemsep.errors import DownloadError, ParameterError, WeightsError
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig, count_parameters
from stemsep.weights import carvana
from stemsep.weights.carvana import load_carvana
from stemsep.weights.milesial import to_state_dict
from tests.servers import serving

ROOT = Path(__file__).parents[2]


def published(seed: int = 0) -> tuple[UNet, bytes]:
    """A small network in the form of the published files, which name no mask values."""
    torch.manual_seed(seed)
    unet = UNetConfig(channels=(2, 4, 6, 8, 10))
    network = UNet(unet).eval()
    stored = to_state_dict(network, ImageNetworkConfig(unet=unet, mask_values=(0, 1)))
    del stored["mask_values"]
    file = io.BytesIO()
    torch.save(stored, file)
    return network, file.getvalue()


@pytest.fixture
def server():
    files = {f"/v3.0/unet_carvana_scale{s}_epoch2.pth": published()[1] for s in (0.5, 1.0)}
    with serving(files) as running:
        yield running


def address(server):
    return f"{server.url}/v3.0/unet_carvana_scale{{scale}}_epoch2.pth"


def test_the_network_is_fetched_once_and_its_digest_kept(server, tmp_path):
    loaded, config = load_carvana(tmp_path, address=address(server))
    picture = torch.rand(1, 3, 20, 30)
    torch.testing.assert_close(loaded(picture), published()[0](picture))
    assert (config.scale, config.mask_values, config.normalise) == (0.5, (0, 1), "none")
    assert len(list(tmp_path.iterdir())) == 2
    server.files.clear()
    again, _ = load_carvana(tmp_path, address=address(server))
    torch.testing.assert_close(again(picture), loaded(picture))


def test_another_file_is_never_taken_for_it(server, tmp_path):
    load_carvana(tmp_path, address=address(server))
    name = "unet_carvana_scale0.5_epoch2.pth"
    (tmp_path / name).write_bytes(published(1)[1])
    with pytest.raises(DownloadError, match="is not what"):
        load_carvana(tmp_path, address=address(server))
    (tmp_path / name).unlink()
    server.files[f"/v3.0/{name}"] = published(1)[1]
    with pytest.raises(DownloadError):
        load_carvana(tmp_path, address=address(server))


def test_what_is_no_network_is_not_kept(server, tmp_path):
    server.files["/v3.0/unet_carvana_scale0.5_epoch2.pth"] = b"moved permanently"
    with pytest.raises(WeightsError, match="not a state dict"):
        load_carvana(tmp_path, address=address(server))
    assert list(tmp_path.iterdir()) == []


def test_other_scales_have_no_weights(tmp_path):
    with pytest.raises(ParameterError, match=r"0\.5 and 1\.0 only"):
        load_carvana(tmp_path, scale=0.25)


def test_torch_hub_serves_both(server, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(carvana.load_carvana, "__kwdefaults__", {
        **(carvana.load_carvana.__kwdefaults__ or {}), "address": address(server)
    })  # fmt: skip
    network = torch.hub.load(str(ROOT), "unet", source="local", preset="tiny", in_channels=1)
    assert network.config.in_channels == 1
    assert count_parameters(network) == 1_942_306
    loaded = torch.hub.load(str(ROOT), "unet_carvana", source="local", pretrained=True, scale=1.0)
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(loaded(picture), published()[0](picture))
    assert (tmp_path / "checkpoints" / "unet_carvana_scale1.0_epoch2.pth").exists()
    with pytest.raises(ValueError, match="no image network 'default'"):
        torch.hub.load(str(ROOT), "unet", source="local", preset="default")
