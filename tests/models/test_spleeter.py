from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from stemsep.errors import ParameterError
from stemsep.models import SPLEETER_MODELS, Spleeter, SpleeterConfig
from stemsep.models.spleeter import StemNetwork, ratio_masks
from tests.dsp.tensors import uniform

ONE_STEM = SpleeterConfig(stems=("vocals",))


def with_random_statistics(network: torch.nn.Module) -> torch.nn.Module:
    """As if trained: an untrained batch norm does almost nothing in evaluation."""
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            for values in (norm.weight.data, norm.running_var):
                values.uniform_(0.5, 1.5)
            for values in (norm.bias.data, norm.running_mean):
                values.uniform_(-0.5, 0.5)
    return network.eval()


@pytest.fixture(scope="module")
def two_stems() -> Spleeter:
    torch.manual_seed(0)
    network = with_random_statistics(Spleeter(SpleeterConfig(stems=("a", "b"), head="softmax")))
    assert isinstance(network, Spleeter)
    return network


@pytest.mark.parametrize("name", ["2stems", "4stems", "5stems"])
def test_as_many_values_as_the_published_checkpoints(name: str) -> None:
    config = SPLEETER_MODELS[name]
    with torch.device("meta"):
        state = Spleeter(config).state_dict()
    values = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    assert len(config.stems) == int(name[0])
    assert values == 9_826_759 * len(config.stems)  # with the statistics of the norms
    floats = [tensor for tensor in state.values() if tensor.is_floating_point()]
    assert len(floats) == 74 * len(config.stems)


def test_the_published_models_differ_as_they_should() -> None:
    activations = {
        name: (config.encoder_activation, config.decoder_activation, config.head)
        for name, config in SPLEETER_MODELS.items()
    }
    assert activations == {
        "2stems": ("leaky_relu", "relu", "sigmoid"),
        "4stems": ("elu", "elu", "sigmoid"),
        "5stems": ("elu", "elu", "softmax"),
    }


@settings(max_examples=8)
@given(height=st.integers(1, 130), width=st.integers(1, 130))
def test_any_height_and_width(two_stems: Spleeter, height: int, width: int) -> None:
    magnitude = uniform(1, 2, height, width).abs()
    before = magnitude.clone()
    with torch.no_grad():
        masks = two_stems(magnitude)
        padded = functional.pad(magnitude, (0, -width % 64, 0, -height % 64))
        whole = two_stems(padded)[..., :height, :width]
    assert masks.shape == (1, 2, 2, height, width)
    assert torch.equal(magnitude, before)
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 2, height, width))
    torch.testing.assert_close(masks, whole)


def test_bins_that_the_network_does_not_see_get_masks_too(two_stems: Spleeter) -> None:
    magnitude = uniform(1, 2, 1030, 64).abs()
    with torch.no_grad():
        masks = two_stems(magnitude)
        seen = two_stems(magnitude[..., :1024, :])
    assert torch.equal(masks[..., :1024, :], seen)
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 2, 1030, 64))
    top = seen[..., -64:, :].mean(-2)
    for row in range(1024, 1030):
        torch.testing.assert_close(masks[..., row, :], top)


def test_ratio_masks_are_shares_of_the_energy_and_silence_is_shared_alike() -> None:
    estimates = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1, 1)
    torch.testing.assert_close(ratio_masks(estimates).flatten(), torch.tensor([0.36, 0.64]))
    assert ratio_masks(torch.zeros(1, 4, 2, 3, 5)).unique().tolist() == [0.25]
    quiet = torch.tensor([1e-5, 0.0]).reshape(1, 2, 1, 1, 1)  # energies 1e-10 and 0
    torch.testing.assert_close(ratio_masks(quiet).flatten(), torch.tensor([0.75, 0.25]))


def same_convolution(features: Tensor, layer: Any) -> Tensor:
    """TensorFlow's "same" of stride 2: the odd places of the ordinary one of stride 1."""
    return functional.conv2d(features, layer.weight, layer.bias, padding=2)[..., 1::2, 1::2]


def same_transposed(features: Tensor, layer: Any) -> Tensor:
    """Its inverse: the full result from its second place on, twice as long as the input."""
    height, width = features.shape[-2:]
    full = functional.conv_transpose2d(features, layer.weight, layer.bias, stride=2, padding=1)
    return full[..., : 2 * height, : 2 * width]


def test_the_reference_paddings_are_tensorflow_s() -> None:
    # One axis by hand: out[i] = sum over k of in[2 i + k - 1] kernel[k], and its adjoint.
    kernel, values = torch.arange(1.0, 6.0), torch.tensor([1.0, 10, 100, 1000])
    down, up = torch.zeros(2), torch.zeros(8)
    for k in range(5):
        for i in range(2):
            down[i] += kernel[k] * values[2 * i + k - 1] if 0 <= 2 * i + k - 1 < 4 else 0
        for i in range(4):
            if 0 <= 2 * i + k - 1 < 8:
                up[2 * i + k - 1] += kernel[k] * values[i]
    square = torch.nn.Conv2d(1, 1, 5, bias=False)
    square.weight.data = torch.zeros(1, 1, 5, 5)
    square.weight.data[0, 0, 1] = kernel  # of the other axis only the place of "1 before"
    rows = torch.zeros(1, 1, 4, 4)
    rows[0, 0, 0] = values
    assert same_convolution(rows, square)[0, 0, 0].tolist() == down.tolist()
    assert same_transposed(rows, square)[0, 0, 0].tolist() == up.tolist()


def reference(network: StemNetwork, magnitude: Tensor) -> Tensor:
    """The network written out layer by layer, for leaky ReLU down and ReLU up."""
    e, n = network.encoder, network.encoder_norms
    raw = [same_convolution(magnitude, e[0])]
    for level in range(1, 6):
        normed = n[level - 1](raw[-1])
        raw.append(same_convolution(functional.leaky_relu(normed, 0.2), e[level]))
    up = raw[5]
    for level in range(6):
        joined = up if level == 0 else torch.cat([raw[5 - level], up], 1)
        activated = functional.relu(same_transposed(joined, network.decoder[level]))
        norm = network.decoder_norms[level]
        scale = norm.weight / (norm.running_var + 0.001).sqrt()
        shift = norm.bias - norm.running_mean * scale
        up = activated * scale[:, None, None] + shift[:, None, None]
    padded = functional.pad(up, (3, 3, 3, 3))
    return functional.conv2d(padded, network.head.weight, network.head.bias, dilation=2)


def test_a_stem_equals_the_network_written_out() -> None:
    torch.manual_seed(0)
    network = with_random_statistics(StemNetwork(SPLEETER_MODELS["2stems"]))
    assert isinstance(network, StemNetwork)
    magnitude = uniform(2, 2, 128, 64).abs()
    with torch.no_grad():
        logits, expected = network(magnitude), reference(network, magnitude)
    assert logits.shape == (2, 2, 128, 64)
    # float32 through thirteen convolutions of up to 12,800 products each
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4 * float(expected.std()))


def test_each_stem_has_a_network_of_its_own_and_a_sigmoid(two_stems: Spleeter) -> None:
    sigmoid = Spleeter(SpleeterConfig(stems=("a", "b"))).eval()
    sigmoid.load_state_dict(two_stems.state_dict())
    magnitude = uniform(1, 2, 64, 64).abs()
    with torch.no_grad():
        estimates = sigmoid.estimate(magnitude)
        softmax = two_stems.estimate(magnitude)
        logits = torch.stack([network(magnitude) for network in two_stems.networks], 1)
    torch.testing.assert_close(estimates, logits.sigmoid() * magnitude[:, None])
    torch.testing.assert_close(softmax, logits.softmax(1) * magnitude[:, None])
    assert not torch.allclose(estimates[:, 0], estimates[:, 1])


def test_dropout_acts_in_training_only(two_stems: Spleeter) -> None:
    magnitude = uniform(2, 2, 64, 64).abs()
    with torch.no_grad():
        assert torch.equal(two_stems(magnitude), two_stems(magnitude))
    network = StemNetwork(ONE_STEM)
    for module in network.modules():
        module.train(isinstance(module, torch.nn.Dropout))
    with torch.no_grad():
        assert not torch.equal(network(magnitude), network(magnitude))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stems": ()}, "one or more"),
        ({"stems": ("a", "a")}, "its own name"),
        ({"encoder_activation": "gelu"}, "encoder_activation = 'gelu': choose from leaky_relu"),
        ({"decoder_activation": "gelu"}, "decoder_activation = 'gelu'"),
        ({"sample_rate": 0}, "sample_rate = 0 Hz"),
        ({"n_bins": 2050}, "n_bins = 2050.*the STFT has 2049"),
        ({"head": "tanh"}, "head = 'tanh': choose from sigmoid, softmax"),
    ],
    ids=str,
)
def test_configurations_that_cannot_work_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        SpleeterConfig(**change)


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 1, 8, 8), (1, 2, 0, 8)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...], two_stems: Spleeter) -> None:
    with pytest.raises(ParameterError, match=r"takes \(batch, 2, freq, time\), got"):
        two_stems(torch.zeros(shape))
