import json
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stemsep.errors import WeightsError
from stemsep.weights.checkpoint import Card, load_network, read_card, save_network
from stemsep.weights.digest import file_digest
from stemsep.weights.info import describe
from tests.networks import small_spleeter, tiny_config, tiny_network

CARD = Card(
    license="CC0",
    training_data="noise",
    steps=7,
    recipe={"train": {"steps": 7}},
    scores=({"measure": "museval SDR", "score": 1.5},),
    description="a toy",
)


def save(path, *, network=None, card=CARD, half=False):
    network = network or tiny_network()
    save_network(path, network.state_dict(), network.config, card, half=half)
    return path


def rewrite(path, **changes):
    with safe_open(path, framework="pt") as file:
        header = {**file.metadata(), **changes}
    header = {key: value for key, value in header.items() if value is not None}
    save_file(load_file(path), path, metadata=header)


def change_config(path, change):
    with safe_open(path, framework="pt") as file:
        network = json.loads(file.metadata()["network"])
    change(network)
    rewrite(path, network=json.dumps(network))


@pytest.fixture
def path(tmp_path):
    return save(tmp_path / "tiny.safetensors")


def assert_one_line_error(match, call, *arguments):
    with pytest.raises(WeightsError, match=match) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)


def test_weights_come_back_bit_for_bit(path):
    saved, loaded = tiny_network().state_dict(), load_network(path).state_dict()
    assert saved.keys() == loaded.keys()
    for name, tensor in saved.items():
        assert torch.equal(tensor, loaded[name])
        assert tensor.dtype == loaded[name].dtype


def test_a_loaded_network_gives_the_same_masks_and_is_in_evaluation_mode(path):
    magnitude = torch.rand(1, 2, 129, 16)
    network = load_network(path)
    assert not network.training
    assert torch.equal(network(magnitude), tiny_network()(magnitude))


def test_half_stores_sixteen_bits_and_loads_thirty_two(tmp_path):
    network = tiny_network()
    path = save(tmp_path / "half.safetensors", network=network, half=True)
    floating = {n: t for n, t in network.state_dict().items() if t.is_floating_point()}
    stored, loaded = load_file(path), load_network(path).state_dict()
    for name, tensor in floating.items():
        assert stored[name].dtype == torch.float16
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], tensor.half().float())


def test_half_keeps_thirty_two_bits_where_sixteen_would_overflow(tmp_path):
    network = tiny_network()
    name = next(name for name in network.state_dict() if name.endswith("running_var"))
    network.state_dict()[name].fill_(1e6)
    loaded = load_network(save(tmp_path / "a.safetensors", network=network, half=True))
    assert (loaded.state_dict()[name] == 1e6).all()


def test_card_and_configuration_come_back(path):
    assert read_card(path) == (tiny_config(), CARD)
    assert load_network(path).config == tiny_config()


def test_a_spleeter_network_comes_back_as_one(tmp_path):
    network = small_spleeter()
    path = save(tmp_path / "spleeter.safetensors", network=network)
    loaded = load_network(path)
    assert (read_card(path)[0], loaded.config) == (network.config, network.config)
    assert describe(path)["network"]["n_bins"] == 64
    magnitude = torch.rand(1, 2, 129, 64)
    assert torch.equal(loaded(magnitude), network(magnitude))


def test_recipe_hash_depends_on_the_recipe_and_not_on_the_order_of_its_keys():
    one, two = Card(recipe={"a": 1, "b": 2}), Card(recipe={"b": 2, "a": 1})
    assert one.recipe_hash == two.recipe_hash != Card(recipe={"a": 1, "b": 3}).recipe_hash
    assert len(one.recipe_hash) == 16


def test_others_may_read_a_checkpoint_where_the_folder_lets_them(path):
    (beside := path.with_name("beside")).touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)


def test_the_digest_is_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert file_digest(tmp_path / "a") == known


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_network_is_not_written_and_an_existing_file_stays(path, value):
    before = path.read_bytes()
    network = tiny_network()
    network.unet.head.bias.data[0] = value
    assert_one_line_error("not written.*head.bias.*non-finite", lambda: save(path, network=network))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", [load_network, read_card])
class TestBadFiles:
    def test_missing_file(self, tmp_path, call):
        assert_one_line_error("no checkpoint '.*none'", call, tmp_path / "none")

    def test_folder(self, tmp_path, call):
        assert_one_line_error("not a checkpoint", call, tmp_path)

    def test_other_file(self, tmp_path, call):
        (tmp_path / "a").write_text("sound? picture? " * 100)
        assert_one_line_error("not a checkpoint, or is damaged", call, tmp_path / "a")

    def test_empty_file(self, tmp_path, call):
        (tmp_path / "a").touch()
        assert_one_line_error("not a checkpoint, or is damaged", call, tmp_path / "a")

    def test_truncated_file(self, path, call):
        path.write_bytes(path.read_bytes()[:-10])
        assert_one_line_error("not a checkpoint, or is damaged", call, path)

    def test_safetensors_of_another_program(self, tmp_path, call):
        save_file({"a": torch.zeros(1)}, tmp_path / "a")
        assert_one_line_error("no stemsep checkpoint", call, tmp_path / "a")

    @pytest.mark.parametrize("key", ["format", "format_version", "kind", "network", "card"])
    def test_missing_key(self, path, call, key):
        rewrite(path, **{key: None})
        assert_one_line_error(f"no '{key}' in its header", call, path)

    def test_newer_format_version(self, path, call):
        rewrite(path, format_version="2")
        assert_one_line_error("format version 2.*newer stemsep", call, path)

    @pytest.mark.parametrize("text", ["{", "[]", "null", '"text"', "{}"])
    def test_damaged_configuration(self, path, call, text):
        rewrite(path, network=text)
        assert_one_line_error("damaged header", call, path)

    def test_unknown_key_of_the_configuration(self, path, call):
        change_config(path, lambda network: network["unet"].update(depth=3))
        assert_one_line_error("damaged header.*'depth'", call, path)

    def test_missing_part_of_the_configuration(self, path, call):
        change_config(path, lambda network: network.pop("stft"))
        assert_one_line_error("damaged header: no 'stft'", call, path)

    def test_ill_typed_value_of_the_configuration(self, path, call):
        change_config(path, lambda network: network.update(n_bins="many"))
        assert_one_line_error("damaged header", call, path)


@pytest.mark.parametrize("text", ["{", "[]", '{"colour": "red"}'])
def test_a_damaged_card_is_named(path, text):
    rewrite(path, card=text)
    assert_one_line_error("damaged header", read_card, path)


def test_tensors_that_do_not_fit_the_configuration_are_named(path):
    change_config(path, lambda network: network["unet"].update(channels=[4, 8]))
    assert_one_line_error("does not fit its own configuration", load_network, path)


def test_a_network_of_another_kind_is_refused(path):
    rewrite(path, kind="segmentation")
    assert_one_line_error("segmentation network, not one for separation", load_network, path)


def test_a_full_disk_leaves_the_existing_file_alone(path, monkeypatch):
    before = path.read_bytes()

    def half_of_it(file, content):
        with file.open("wb") as opened:
            opened.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", half_of_it)
    with pytest.raises(OSError, match="no space"):
        save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
