from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models import MaskNetwork, MaskNetworkConfig, UNetConfig, extend_masks, network_input
from stemsep.models.mask_network import EXTENSION_BINS
from tests.dsp.tensors import uniform


def unet_of(**changes: Any) -> UNetConfig:
    switches = {"in_channels": 2, "stems": 2, "channels": (4, 6), "head": "softmax"}
    return UNetConfig(**{**switches, "activation": "leaky_relu", **changes})


def config_of(**changes: Any) -> MaskNetworkConfig:
    parts = {
        "stems": ("vocals", "rest"),
        "sample_rate": 44100,
        "n_bins": 20,
        "stft": STFTConfig(n_fft=64, hop_length=16),
        "unet": unet_of(),
    }
    return MaskNetworkConfig(**{**parts, **changes})


@given(bins=st.integers(1, 150), missing=st.integers(0, 90))
def test_extended_masks_repeat_the_mean_of_the_highest_bins(bins: int, missing: int) -> None:
    masks = uniform(2, 3, bins, 4)
    extended = extend_masks(masks, bins + missing)
    assert extended.shape == (2, 3, bins + missing, 4)
    assert torch.equal(extended[..., :bins, :], masks)
    top = masks[..., max(0, bins - EXTENSION_BINS) :, :].mean(-2, keepdim=True)
    torch.testing.assert_close(extended[..., bins:, :], top.expand(2, 3, missing, 4))


def test_masks_cannot_be_extended_to_fewer_bins() -> None:
    with pytest.raises(ParameterError, match="masks of 8 bins cannot be extended to 7"):
        extend_masks(torch.zeros(1, 8, 4), 7)


@pytest.mark.parametrize("n_bins", [1, 20, 33])
def test_every_bin_gets_a_mask_and_the_masks_sum_to_one(n_bins: int) -> None:
    network = MaskNetwork(config_of(n_bins=n_bins)).eval()
    magnitude = uniform(3, 2, 33, 7).abs()
    before = magnitude.clone()
    masks = network(magnitude)
    assert masks.shape == (3, 2, 2, 33, 7)
    assert torch.equal(magnitude, before)
    torch.testing.assert_close(masks.sum(1), torch.ones(3, 2, 33, 7))


def test_the_network_sees_the_lowest_bins_only() -> None:
    network = MaskNetwork(config_of()).eval()
    magnitude = uniform(1, 2, 33, 7).abs()
    masks = network(magnitude)
    torch.testing.assert_close(masks[..., :20, :], network.unet(magnitude[..., :20, :]))
    louder = magnitude.clone()
    louder[..., 20:, :] += 1
    assert torch.equal(network(louder), masks)
    louder[..., 19, :] += 1
    assert not torch.equal(network(louder), masks)


def test_complex_masks_are_extended_too() -> None:
    network = MaskNetwork(config_of(unet=unet_of(head="complex"))).eval()
    masks = network(uniform(1, 2, 33, 7).abs())
    assert masks.is_complex()
    assert masks.shape == (1, 2, 2, 33, 7)


def test_stems_may_be_a_list() -> None:
    assert config_of(stems=["vocals", "rest"]) == config_of()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stems": ("vocals",)}, "but the U-Net gives 2"),
        ({"stems": (), "unet": unet_of(stems=0)}, "one or more"),
        ({"stems": ("vocals", "vocals")}, "its own name"),
        ({"n_bins": 0}, "n_bins = 0: the STFT has 33"),
        ({"n_bins": 34}, "n_bins = 34: the STFT has 33"),
        ({"sample_rate": 0}, "sample_rate = 0"),
        ({"unet": unet_of(in_channels=1)}, "channels in"),
        ({"features": "left_right_side"}, "3 channels in"),
        ({"features": "mid"}, "choose from"),
        ({"unet": unet_of(padding="valid")}, "padding 'same'"),
        ({"unet": unet_of(block="tfc_tdf", freq_bins=19)}, "n_bins = 20: .* built for 19"),
    ],
    ids=str,
)
def test_parts_that_do_not_fit_together_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        config_of(**change)


def test_the_side_is_half_the_difference_of_the_spectra() -> None:
    config = config_of(unet=unet_of(in_channels=3), features="left_right_side")
    left, right = torch.complex(uniform(2, 33, 5), uniform(2, 33, 5)).unbind(0)
    seen = network_input(torch.stack([left, right])[None], config)
    expected = torch.stack([left, right, (left - right) / 2]).abs()
    torch.testing.assert_close(seen, expected[None])
    assert MaskNetwork(config)(seen).shape == (1, 2, 2, 33, 5)


def test_mono_has_no_side() -> None:
    config = config_of(unet=unet_of(in_channels=3), features="left_right_side")
    mono = torch.complex(uniform(33, 5), uniform(33, 5))
    left, right, side = network_input(torch.stack([mono, mono])[None], config)[0]
    assert not side.any()
    assert torch.equal(left, right)
