import pytest
import torch

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models import OpenUnmix, OpenUnmixConfig, count_parameters, gmac_per_second
from tests.dsp.tensors import uniform
from tests.networks import small_openunmix


def test_as_many_values_as_the_published_networks() -> None:
    for hidden in (512, 1024):
        config = OpenUnmixConfig(hidden_size=hidden)
        with torch.device("meta"):
            network = OpenUnmix(config)
        first = network.networks[0]
        assert count_parameters(network) == 4 * count_parameters(first)
        # fc1, three layers of LSTM in two directions, fc2, fc3, three norms, scales and means
        inner = hidden // 2
        lstm = 3 * 2 * (4 * inner * (hidden + inner) + 8 * inner)
        linear = hidden * (2 * 1487 + 2 * hidden + 2 * 2049)
        vectors = 2 * (2 * hidden + 2 * 2049) + 2 * 1487 + 2 * 2049
        assert count_parameters(first) == lstm + linear + vectors
        if hidden == 512:
            assert count_parameters(first) == 8_893_348  # counted in the package


def test_recurrent_layers_are_counted_in_the_cost() -> None:
    config = OpenUnmixConfig()
    per_frame = 512 * (2 * 1487 + 1024 + 2 * 2049) + 3 * 2 * 4 * 256 * (512 + 256)
    assert gmac_per_second(config) == pytest.approx(4 * per_frame * 44100 / 1024 / 1e9)


def test_masks_are_gains_of_every_bin_and_not_negative() -> None:
    network = small_openunmix()
    magnitude = uniform(2, 2, 129, 20).abs()
    before = magnitude.clone()
    with torch.no_grad():
        masks = network(magnitude)
    assert masks.shape == (2, 2, 2, 129, 20)
    assert masks.min() == 0 < masks.max()
    assert torch.equal(magnitude, before)


def test_bins_that_the_network_does_not_see_change_nothing() -> None:
    network, magnitude = small_openunmix(), uniform(1, 2, 129, 20).abs()
    changed = magnitude.clone()
    changed[:, :, 64:] += 1
    with torch.no_grad():
        assert torch.equal(network(magnitude), network(changed))


def test_a_batch_is_its_items_one_by_one() -> None:
    network, magnitude = small_openunmix(), uniform(3, 2, 129, 20).abs()
    with torch.no_grad():
        together = network(magnitude)
        for item, alone in zip(magnitude, together, strict=True):
            torch.testing.assert_close(network(item[None])[0], alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stems": ()}, "one or more"),
        ({"hidden_size": 3}, "hidden_size = 3: it must be even"),
        ({"n_bins": 2050}, "the STFT has 2049 bins"),
        ({"sample_rate": 0}, "sample_rate = 0 Hz"),
    ],
    ids=str,
)
def test_configurations_that_cannot_work_are_refused(change, message) -> None:
    with pytest.raises(ParameterError, match=message):
        OpenUnmixConfig(**change)


@pytest.mark.parametrize("shape", [(2, 129, 8), (1, 1, 129, 8), (1, 2, 128, 8)])
def test_inputs_of_another_shape_are_refused(shape) -> None:
    with pytest.raises(ParameterError, match=r"takes \(batch, 2, 129, time\), got"):
        small_openunmix()(torch.zeros(shape))


def test_sizes_of_the_transform_are_part_of_the_configuration() -> None:
    config = OpenUnmixConfig(n_bins=5, stft=STFTConfig(n_fft=16, hop_length=4))
    assert OpenUnmix(config).networks[0].fc3.out_features == 2 * 9
