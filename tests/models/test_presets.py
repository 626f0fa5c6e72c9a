import pytest
import torch

from stemsep.errors import ParameterError
from stemsep.models import (
    PRESETS,
    MaskNetwork,
    MaskNetworkConfig,
    UNet,
    UNetConfig,
    build,
    count_parameters,
    gmac_per_second,
)

PARAMETERS = {
    "milesial": 31_037_698,
    "milesial-bilinear": 17_263_042,
    "ronneberger": 31_030_658,
    "small": 7_763_074,
    "tiny": 1_942_594,
}
GMAC_LIMITS = {"default": 1.5, "fast": 0.5}


def test_every_preset_has_its_name() -> None:
    assert list(PRESETS) == [*PARAMETERS, "spleeter", *GMAC_LIMITS]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_built_as_configured(name: str) -> None:
    with torch.device("meta"):
        assert build(name).config == PRESETS[name]


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_image_networks_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = build(name)
    assert isinstance(network, UNet)
    assert count_parameters(network) == parameters


@pytest.mark.parametrize(
    ("name", "channels", "classes", "pixels"),
    [("milesial", 3, 2, 572), ("milesial-bilinear", 3, 2, 572), ("ronneberger", 1, 2, 388)],
)
def test_image_networks_take_and_give_pictures(
    name: str, channels: int, classes: int, pixels: int
) -> None:
    with torch.device("meta"):
        output = build(name).eval()(torch.empty(1, channels, 572, 572))
    assert output.shape == (1, classes, pixels, pixels)


@pytest.mark.parametrize(("name", "limit"), GMAC_LIMITS.items())
def test_shipped_networks_keep_their_budget(name: str, limit: float) -> None:
    config = PRESETS[name]
    assert isinstance(config, MaskNetworkConfig)
    assert 0.9 * limit < gmac_per_second(config) <= limit


@pytest.mark.parametrize("name", GMAC_LIMITS)
def test_shipped_networks_give_a_mask_for_every_stem_and_bin(name: str) -> None:
    with torch.device("meta"):
        network = build(name).eval()
        masks = network(torch.empty(1, 3, 2049, 5))
    assert isinstance(network, MaskNetwork)
    assert network.config.stems == ("vocals", "drums", "bass", "other")
    assert masks.shape == (1, 4, 2, 2049, 5)


def test_default_is_the_network_that_was_trained() -> None:
    unet = UNetConfig(
        in_channels=3,
        out_channels=2,
        stems=4,
        channels=(32, 64, 112, 160),
        activation="leaky_relu",
        downsample="strided",
        block="tfc_tdf",
        skip="add",
        head="softmax",
        subbands=8,
        freq_bins=2048,
        time_dilations=(1, 3),
        frame_width=320,
        presence=160,
        dropout=0.15,
        compression=10.0,
    )
    config = PRESETS["default"]
    assert isinstance(config, MaskNetworkConfig)
    assert config.unet == unet
    assert config.features == "left_right_side"
    assert (config.sample_rate, config.n_bins) == (44100, 2048)
    assert (config.stft.n_fft, config.stft.hop_length) == (4096, 1024)


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ParameterError, match=r"no preset 'unet': choose from milesial, .*, fast"):
        build("unet")
