import io
import json
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from stemsep.errors import WeightsError
from stemsep.models import (
    PRESETS,
    ImageNetworkConfig,
    SpleeterConfig,
    UNet,
    UNetConfig,
    build,
)
from stemsep.weights.catalog import find_checkpoint, shipped_checkpoints
from stemsep.weights.checkpoint import Card, load_network, read_card
from stemsep.weights.export import export
from stemsep.weights.onnx_export import OPSET, export_onnx, export_program
from tests.exported import exported_default
from tests.networks import small_openunmix, small_scnet, tiny_network

TOLERANCE = 1e-4
"""What onnxruntime's other order of sums may cost, on masks between 0 and 1."""

N_FREQ = 129
"""Of `tiny_network`."""

FRAMES = {"frame_width": 8, "freq_bins": N_FREQ - 1}


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def assert_equal(session, network, shape):
    # Not too near to silence, where a ratio mask is a quotient of two roundings.
    features = 0.1 + torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 20
    with torch.inference_mode():
        expected = network(features)
    given = {session.get_inputs()[0].name: features.numpy()}
    result = torch.from_numpy(session.run(None, given)[0])
    if expected.is_complex():
        result = torch.view_as_complex(result)
    assert result.shape == expected.shape
    assert float((result - expected).abs().max()) < TOLERANCE * max(1, float(expected.abs().max()))


def test_the_shipped_default_gives_the_same_masks_in_any_batch_and_time():
    network = load_network(find_checkpoint("default"))
    session = session_of(exported_default())
    bins, stride = network.config.stft.n_freq, network.config.time_stride
    channels = network.config.n_features
    for batch, frames in ((1, stride), (1, 13 * stride), (3, 4 * stride)):
        assert_equal(session, network, (batch, channels, bins, frames))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped_checkpoints().keys() - {"default"}))
def test_every_other_shipped_checkpoint_too(tmp_path, name):
    network = load_network(find_checkpoint(name))
    export(find_checkpoint(name), tmp_path / "a.onnx", "onnx")
    size = (network.config.n_features, network.config.stft.n_freq, 12 * network.config.time_stride)
    assert_equal(session_of(tmp_path / "a.onnx"), network, (2, *size))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_too(tmp_path, name):
    torch.manual_seed(0)
    network, config = build(name).eval(), PRESETS[name]
    if isinstance(config, UNetConfig):
        classes = tuple(range(config.out_channels))
        export_onnx(network, image_config(config, classes), Card(), tmp_path / "a.onnx")
        side = 572 if config.padding == "valid" else 96
        shape = (1, config.in_channels, side, side)
    else:
        export_onnx(network, config, Card(), tmp_path / "a.onnx")
        features = 2 if isinstance(config, SpleeterConfig) else config.n_features
        shape = (2, features, config.stft.n_freq, 3 * config.time_stride)
    assert_equal(session_of(tmp_path / "a.onnx"), network, shape)


def image_config(unet, classes):
    return ImageNetworkConfig(unet=unet, mask_values=classes)


def test_attention_over_frames_is_the_same_at_any_length(tmp_path):
    network = tiny_network(**FRAMES, frame_sequence="attention")
    torch.nn.init.normal_(network.unet.context[-1].widen[-1].weight)
    torch.nn.init.normal_(network.unet.context[-1].along_time[-1].attention.out_proj.weight)
    export_onnx(network, network.config, Card(), tmp_path / "a.onnx")
    session = session_of(tmp_path / "a.onnx")
    for batch, frames in ((1, 2), (2, 10)):
        assert_equal(session, network, (batch, 2, N_FREQ, frames))


def test_which_stems_are_heard_is_told_alike_at_any_length(tmp_path):
    network = tiny_network(presence=8, freq_bins=N_FREQ - 1)
    torch.nn.init.normal_(network.unet.presence.heard.weight, std=3)
    torch.nn.init.normal_(network.unet.presence.weights.weight)
    export_onnx(network, network.config, Card(), tmp_path / "a.onnx")
    session = session_of(tmp_path / "a.onnx")
    for batch, frames in ((1, 2), (2, 10)):
        assert_equal(session, network, (batch, 2, N_FREQ, frames))


@pytest.mark.parametrize("head", ["sigmoid", "complex"])
def test_heads_and_odd_sizes_are_the_same(tmp_path, head):
    network = tiny_network(head=head)
    export_onnx(network, network.config, Card(), tmp_path / "a.onnx")
    session = session_of(tmp_path / "a.onnx")
    for batch, frames in ((1, 2), (2, 10)):
        assert_equal(session, network, (batch, 2, N_FREQ, frames))
    assert session.get_inputs()[0].shape == ["batch", 2, N_FREQ, "frames"]
    parts = [2] if head == "complex" else []
    assert session.get_outputs()[0].shape == ["batch", 4, 2, N_FREQ, "frames", *parts]


@pytest.mark.slow
def test_networks_for_pictures_take_any_size(tmp_path):
    unet = UNetConfig(channels=(4, 8), upsample="bilinear")
    torch.manual_seed(0)
    network = UNet(unet).eval()
    export_onnx(network, image_config(unet, (0, 1)), Card(), tmp_path / "a.onnx")
    session = session_of(tmp_path / "a.onnx")
    assert_equal(session, network, (1, 3, 6, 8))
    assert_equal(session, network, (2, 3, 40, 20))
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]


def test_the_file_says_what_a_program_needs_and_nothing_of_this_machine():
    about = session_of(exported_default()).get_modelmeta().custom_metadata_map
    config, card = read_card(find_checkpoint("default"))
    assert int(about["n_fft"]) == config.stft.n_fft
    assert int(about["hop_length"]) == config.stft.hop_length
    assert about["spatial"] == ("true" if config.spatial else "false")
    assert int(about["sample_rate"]) == config.sample_rate
    assert about["stems"].split(",") == list(config.stems)
    assert about["license"] == card.license
    assert json.loads(about["card"])["training_data"] == card.training_data
    content = exported_default().read_bytes()
    assert b"site-packages" not in content
    assert b"stemsep/models" not in content
    model = onnx.load_from_string(content)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    onnx.checker.check_model(model)


def test_a_program_of_torch_export_gives_the_same(tmp_path):
    network = tiny_network()
    export_program(network, network.config, Card(license="mine"), tmp_path / "a.pt2")
    extra = {"metadata.json": ""}
    program = torch.export.load(io.BytesIO((tmp_path / "a.pt2").read_bytes()), extra_files=extra)
    assert json.loads(extra["metadata.json"])["license"] == "mine"
    features = torch.rand(1, 2, N_FREQ, 14)
    with torch.inference_mode():
        np.testing.assert_allclose(program.module()(features), network(features), atol=1e-6)


@pytest.mark.parametrize("write", [export_onnx, export_program])
@pytest.mark.parametrize(
    "made", [small_openunmix, small_scnet, partial(tiny_network, **FRAMES, frame_sequence="lstm")]
)
def test_networks_with_recurrent_layers_are_refused_in_one_line(tmp_path, write, made):
    network = made()
    with pytest.raises(WeightsError, match=r"recurrent layers: use .* separate --model") as caught:
        write(network, network.config, Card(), tmp_path / "a")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
