import pickle

import pytest
import torch

from stemsep.errors import WeightsError
from stemsep.models import SPLEETER_MODELS, ImageNetworkConfig, UNet, UNetConfig
from stemsep.weights import milesial
from stemsep.weights.foreign import read_foreign
from stemsep.weights.spleeter import read_spleeter
from stemsep.weights.tensor_bundle import read_bundle
from tests.weights.archives import (
    network,
    openunmix,
    openunmix_files,
    scnet,
    scnet_state,
    small_widths,
    spleeter_archive,
    write_spleeter,
)
from tests.weights.bundles import write_bundle


@pytest.fixture(autouse=True)
def small(monkeypatch):
    small_widths(monkeypatch)


@pytest.mark.parametrize("model", SPLEETER_MODELS)
def test_an_archive_of_spleeter_s_gives_its_network(tmp_path, model):
    (tmp_path / "a").write_bytes(spleeter_archive(tmp_path / "made", model))
    expected = network(model)
    for path in (tmp_path / "a", tmp_path / "made" / model):
        foreign = read_foreign(path)
        assert foreign.config == expected.config
        for name, tensor in expected.state_dict().items():
            assert torch.equal(foreign.network.state_dict()[name], tensor), name


def test_kernels_have_time_first_in_tensorflow_and_frequency_here(tmp_path):
    made = network("2stems")
    kernel = made.networks[0].encoder[0].weight.data
    kernel.zero_()
    kernel[1, 0, 3, 2] = 7  # (out, in, freq, time)
    write_spleeter(tmp_path / "m", made)
    stored = dict(read_bundle(tmp_path / "m" / "model"))["conv2d/kernel"]
    assert stored[2, 3, 0, 1] == 7  # (time, freq, in, out)
    assert read_spleeter(tmp_path / "m" / "model").networks[0].encoder[0].weight[1, 0, 3, 2] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv2d_3/bias"), "see variable 'conv2d_3/bias'"),
        (lambda state: state.update({"extra": state["conv2d/bias"]}), "see variable 'extra'"),
        (lambda state: state.pop("conv2d/kernel"), "no network of 2, 4 or 5 stems"),
        (lambda state: state.clear(), "no network of 2, 4 or 5 stems"),
        (lambda state: state.update({"conv2d/bias": state["conv2d_4/bias"]}), "size mismatch"),
    ],
)
def test_checkpoints_of_other_networks_are_refused(tmp_path, change, message):
    write_spleeter(tmp_path / "m", network("2stems"))
    state = dict(read_bundle(tmp_path / "m" / "model"))
    change(state)
    write_bundle(tmp_path / "m" / "model", state)
    with pytest.raises(WeightsError, match=message) as caught:
        read_foreign(tmp_path / "m")
    assert "\n" not in str(caught.value)


def test_a_state_dict_of_milesial_s_gives_its_network(tmp_path):
    config = ImageNetworkConfig(
        unet=UNetConfig(channels=(2, 2, 2, 2, 4)),
        mask_values=(0, 255),
        scale=0.5,
        normalise="none",
    )
    made = UNet(config.unet).eval()
    milesial.save_milesial(tmp_path / "a.pth", made, config)
    foreign = read_foreign(tmp_path / "a.pth")
    assert foreign.config == config
    assert foreign.network.state_dict().keys() == made.state_dict().keys()


class TestOpenUnmix:
    @pytest.fixture
    def folder(self, tmp_path):
        for stem, content in openunmix_files(openunmix()).items():
            (tmp_path / f"{stem}-0123abcd.pth").write_bytes(content)
        return tmp_path

    def test_a_folder_with_a_state_dict_for_each_stem_gives_one_network(self, folder):
        foreign, expected = read_foreign(folder), openunmix()
        assert foreign.config == expected.config
        assert [path.name.partition("-")[0] for path in foreign.files] == list(
            expected.config.stems
        )
        for name, tensor in expected.state_dict().items():
            assert torch.equal(foreign.network.state_dict()[name], tensor), name

    def test_one_stem_alone_and_too_many_are_one_line(self, folder):
        with pytest.raises(WeightsError, match="one stem of Open-Unmix's: give the folder"):
            read_foreign(folder / "bass-0123abcd.pth")
        (folder / "bass-two.pth").write_bytes(b"")
        with pytest.raises(WeightsError, match=r"holds 2 files bass\*.pth"):
            read_foreign(folder)
        for path in folder.glob("bass*"):
            path.unlink()
        with pytest.raises(WeightsError, match=r"holds 0 files bass\*.pth"):
            read_foreign(folder)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("fc2.weight"), "fc2.weight"),
            (lambda state: state.update(extra=torch.zeros(1)), "extra"),
            (lambda state: state.update(extra="text"), "'extra' is no tensor"),
            (lambda state: state.update({"bn1.bias": torch.zeros(7)}), "size mismatch"),
            (lambda state: state.pop("input_mean"), "no 'input_mean' in it"),
        ],
    )
    def test_state_dicts_of_other_networks_are_refused(self, folder, change, message):
        path = folder / "drums-0123abcd.pth"
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)
        with pytest.raises(WeightsError, match=message) as caught:
            read_foreign(folder)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_stems_of_different_sizes_are_refused(self, folder):
        other = openunmix_files(openunmix(hidden_size=6))["other"]
        (folder / "other-0123abcd.pth").write_bytes(other)
        with pytest.raises(
            WeightsError, match=r"other-0123abcd.pth' is no network of Open-Unmix's"
        ):
            read_foreign(folder)


class TestSCNet:
    @pytest.mark.parametrize(
        "kept",
        [
            lambda state: state,
            lambda state: {"best_state": state, "optimizer": {}},
            lambda state: {"state": {f"module.{name}": value for name, value in state.items()}},
        ],
    )
    def test_a_checkpoint_gives_its_network(self, tmp_path, kept):
        made = scnet()
        torch.save(kept(scnet_state(made)), tmp_path / "a.ckpt")
        foreign = read_foreign(tmp_path / "a.ckpt")
        assert foreign.config == made.config
        assert foreign.files == (tmp_path / "a.ckpt",)
        for name, tensor in made.state_dict().items():
            assert torch.equal(foreign.network.state_dict()[name], tensor), name

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("decoder.0.0.conv.weight"), "up.0.fuse.weight"),
            (lambda state: state.pop("encoder.1.globalconv.bias"), "no 'down.1.merge.bias' in it"),
            (lambda state: state.update(pos_embed_f=torch.zeros(1)), "pos_embed_f"),
            (lambda state: state.update(pos_embed_f="text"), "'pos_embed_f' is no tensor"),
            (
                lambda state: state.update(
                    {"encoder.0.SDlayer.convs.2.weight": torch.zeros(4, 4, 4, 1)}
                ),
                "size mismatch",
            ),
            (
                lambda state: state.update({"decoder.2.1.convtrs.0.bias": torch.zeros(24)}),
                "gives 6 stems, of which the names of 4 are known",
            ),
        ],
    )
    def test_checkpoints_of_other_networks_are_refused(self, tmp_path, change, message):
        state = scnet_state(scnet())
        change(state)
        torch.save(state, tmp_path / "a.ckpt")
        with pytest.raises(WeightsError, match=message) as caught:
            read_foreign(tmp_path / "a.ckpt")
        assert "a.ckpt' is no network of SCNet's" in str(caught.value)
        assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return (open, ("/tmp/stemsep-evil", "w"))  # noqa: S108


@pytest.mark.parametrize("save", [pickle.dump, lambda thing, file: torch.save(thing, file)])
def test_pickles_that_would_run_code_are_refused(tmp_path, save):
    with (tmp_path / "a.pth").open("wb") as file:
        save({"inc.double_conv.0.weight": Evil()}, file)
    with pytest.raises(WeightsError, match="not a state dict that torch can read safely"):
        read_foreign(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4 cut", b"\x80\x02 cut", b"\x1f\x8b cut"])
def test_other_files_are_one_line(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(WeightsError, match="/a' ") as caught:
        read_foreign(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_checkpoint_and_nothing_at_all_are_one_line(tmp_path):
    with pytest.raises(WeightsError, match="holds 0 TensorFlow checkpoints"):
        read_foreign(tmp_path)
    with pytest.raises(WeightsError, match=r"cannot read .*none"):
        read_foreign(tmp_path / "none")
