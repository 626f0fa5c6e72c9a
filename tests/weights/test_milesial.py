"""Known answers of milesial/Pytorch-UNet's network; tests/golden/milesial says where from."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stemsep.data.image_masks import mask_image
from stemsep.data.images import read_mask
from stemsep.errors import WeightsError
from stemsep.models import PRESETS, ImageNetworkConfig, UNet, UNetConfig
from stemsep.segmentation.predict import Segmenter, prepared
from stemsep.weights.milesial import (
    from_state_dict,
    load_milesial,
    save_milesial,
    to_state_dict,
)
from tests.golden.milesial import generate

GOLDEN = Path(generate.__file__).parent
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
KEYS = json.loads((GOLDEN / "keys.json").read_text())["variants"]

LOGITS_TOLERANCE = 5e-4
"""float32 differs from float64 by up to 5e-5; the nearest wrong build by 0.08."""


@lru_cache(maxsize=1)  # 120 MB each
def arrays(variant):
    return generate.state_dict(variant)


def tensors(variant):
    return {name: torch.from_numpy(np.array(a)) for name, a in arrays(variant).items()}


def by_variant(table):
    """Sort cases so that each network is built once."""
    return sorted(table, key=lambda case: table[case]["variant"])


@pytest.fixture(scope="module")
def network_of():
    @lru_cache(maxsize=1)
    def build(variant):
        return from_state_dict(tensors(variant))

    return build


@pytest.mark.parametrize("variant", MANIFEST["variants"])
def test_the_generator_makes_the_weights_of_the_manifest(variant):
    assert generate.digest_state(arrays(variant)) == MANIFEST["variants"][variant][
        "state_dict_sha256"
    ]  # fmt: skip


@pytest.mark.parametrize("variant", MANIFEST["variants"])
def test_sizes_are_read_off_the_tensors(variant, network_of):
    network, config = network_of(variant)
    facts = MANIFEST["variants"][variant]
    assert config.unet == UNetConfig(
        in_channels=facts["in_channels"],
        out_channels=facts["classes"],
        upsample="bilinear" if facts["bilinear"] else "transposed",
    )
    assert config.mask_values == tuple(range(max(2, facts["classes"])))
    assert not network.training


@pytest.mark.parametrize("case", by_variant(MANIFEST["cases"]))
def test_logits_are_those_of_the_program(case, network_of):
    facts = MANIFEST["cases"][case]
    pictures = [
        generate.image(f"{case}#{i}", facts["channels"], *facts["size"])
        for i in range(facts["batch"])
    ]
    inputs = np.concatenate([generate.network_input(picture) for picture in pictures])
    assert generate.digest_array(inputs) == facts["input_sha256"]
    network, _ = network_of(facts["variant"])
    with torch.inference_mode():
        logits = network(torch.from_numpy(inputs)).numpy()
    expected = np.load(GOLDEN / f"{case}.npz")["logits"]
    assert logits.shape == expected.shape
    assert np.abs(logits - expected).max() < LOGITS_TOLERANCE


@pytest.mark.parametrize("case", by_variant(MANIFEST["predict"]))
def test_predicted_masks_are_those_of_the_program(case, network_of, tmp_path):
    facts = MANIFEST["predict"][case]
    picture = generate.image(f"{case}#0", facts["channels"], *facts["picture_size"])
    assert generate.digest_array(picture) == facts["picture_sha256"]
    picture = picture.transpose(2, 0, 1)
    network, _ = network_of(facts["variant"])
    stored = {**tensors(facts["variant"]), "mask_values": facts["mask_values"]}
    _, config = from_state_dict(stored, scale=facts["scale"])
    expected = np.load(GOLDEN / f"{case}.npz")
    ready = prepared(picture, config)
    # Another Pillow may round a resized value the other way.
    assert np.abs(ready - expected["network_input"][0]).max() <= 1.01 / 255
    segmenter = Segmenter(network, config)
    classes = segmenter.classes(segmenter.logits(picture))
    doubtful = facts["pixels_with_margin_below_0.001"]
    assert (classes != expected["mask"]).sum() <= doubtful
    image = mask_image(classes, config.mask_values)
    image.save(tmp_path / "mask.png")
    assert image.mode == facts["output_png_mode"]
    wanted = read_mask(GOLDEN / f"{case}.png").pixels
    different = read_mask(tmp_path / "mask.png").pixels != wanted
    assert different.reshape(*wanted.shape[:2], -1).any(-1).sum() <= doubtful


def small(upsample="transposed", outputs=2, **switches):
    torch.manual_seed(0)
    unet = UNetConfig(
        channels=(2, 4, 6, 8, 10), out_channels=outputs, upsample=upsample, **switches
    )
    network = UNet(unet).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-1, 1)
    return network, ImageNetworkConfig(unet=unet, mask_values=(0, 255), normalise="none")


@pytest.mark.parametrize("upsample", ["transposed", "bilinear"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_network_comes_back_from_its_file(tmp_path, upsample, outputs):
    network, config = small(upsample, outputs)
    save_milesial(tmp_path / "a.pth", network, config)
    loaded, again = load_milesial(tmp_path / "a.pth", scale=1.0)
    assert again == config
    picture = torch.rand(1, 3, 21, 18)
    torch.testing.assert_close(loaded(picture), network(picture))


@pytest.mark.parametrize("preset", ["milesial", "milesial-bilinear"])
def test_written_names_are_those_of_the_program_in_its_order(preset):
    variant = "transposed-3-2" if preset == "milesial" else "bilinear-3-2"
    unet = PRESETS[preset]
    assert isinstance(unet, UNetConfig)
    with torch.device("meta"):
        network = UNet(unet)
    stored = to_state_dict(network, ImageNetworkConfig(unet=unet, mask_values=(0, 255)))
    assert stored.pop("mask_values") == [0, 255]
    assert [(name, list(t.shape)) for name, t in stored.items()] == [
        (key["name"], key["shape"]) for key in KEYS[variant]["keys"]
    ]


def test_other_networks_are_not_written():
    for switches in ({"activation": "gelu"}, {"norm": "none"}, {"padding": "valid"}):
        with pytest.raises(WeightsError, match="only networks of the presets"):
            to_state_dict(*small(**switches))


def test_mask_values_of_every_kind_are_read():
    network, config = small()
    stored = to_state_dict(network, config)
    for given, expected in {
        "grey": ([0, 255], (0, 255)),
        "colours": ([[0, 0, 0], [255, 0, 0]], ((0, 0, 0), (255, 0, 0))),
        "bits": ([False, True], (0, 1)),
        "fewer than classes": ([7], (7, 0)),
        "none": (None, (0, 1)),
    }.values():
        assert from_state_dict({**stored, "mask_values": given})[1].mask_values == expected


def test_biases_of_old_files_are_taken_into_the_norms():
    network, config = small()
    stored = to_state_dict(network, config)
    bias = torch.arange(2.0)
    mean = stored["inc.double_conv.1.running_mean"]
    old = {
        **stored,
        "inc.double_conv.0.bias": bias,
        "inc.double_conv.1.running_mean": mean + bias,
    }
    loaded, _ = from_state_dict(old)
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(loaded(picture), network(picture))


def test_what_does_not_fit_is_said_in_words(tmp_path):
    network, config = small()
    stored = to_state_dict(network, config)
    broken = {
        "no tensor 'up2.conv.double_conv.0.weight'": {"up2.conv.double_conv.0.weight": None},
        "unexpected tensor 'extra'": {"extra": torch.zeros(1)},
        "size mismatch": {"up2.conv.double_conv.0.weight": torch.zeros(1, 1, 3, 3)},
        "non-finite": {"outc.conv.bias": torch.tensor([0.0, float("nan")])},
        "pictures have 1 \\(grey\\) or 3": {"inc.double_conv.0.weight": torch.zeros(2, 4, 3, 3)},
    }
    for message, change in broken.items():
        changed = {k: v for k, v in {**stored, **change}.items() if v is not None}
        torch.save(changed, tmp_path / "a.pth")
        with pytest.raises(WeightsError, match=message) as caught:
            load_milesial(tmp_path / "a.pth")
        assert "a.pth" in str(caught.value)
        assert "\n" not in str(caught.value)
    for content in (b"", b"text", Image.new("L", (2, 2)).tobytes()):
        (tmp_path / "b.pth").write_bytes(content)
        with pytest.raises(WeightsError, match="not a state dict"):
            load_milesial(tmp_path / "b.pth")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="not a milesial"):
        load_milesial(tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="no checkpoint"):
        load_milesial(tmp_path / "none.pth")
