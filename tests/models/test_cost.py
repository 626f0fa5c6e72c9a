from typing import Literal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stemsep.dsp import STFTConfig
from stemsep.models import (
    MaskNetwork,
    MaskNetworkConfig,
    OpenUnmix,
    OpenUnmixConfig,
    Spleeter,
    SpleeterConfig,
    UNet,
    UNetConfig,
    count_parameters,
    gmac_per_second,
    macs,
)

# One level: two convolutions of 3 x 3 and a head of 1 x 1, at every pixel.
BLOCK = UNetConfig(in_channels=3, out_channels=2, channels=(4,))
PER_PIXEL = 9 * 3 * 4 + 9 * 4 * 4 + 4 * 2


def test_convolutions_are_counted() -> None:
    assert macs(UNet(BLOCK), 10, 12) == 10 * 12 * PER_PIXEL


def test_transposed_convolutions_are_counted() -> None:
    network = UNet(UNetConfig(in_channels=3, out_channels=2, channels=(4, 6), skip="add"))
    below = (9 * 4 * 6 + 9 * 6 * 6 + 4 * 6 * 4) / 4  # at a quarter of the pixels
    assert macs(network, 10, 12) == 10 * 12 * (PER_PIXEL + below + 2 * 9 * 4 * 4)


def test_matrix_products_are_counted() -> None:
    plain = UNetConfig(in_channels=3, out_channels=2, channels=(4,), block="residual")
    tfc_tdf = UNetConfig(
        in_channels=3, out_channels=2, channels=(4,), block="tfc_tdf", freq_bins=10, tdf_factor=2
    )
    # Down from 10 bins to 5 and up again, for each of 4 channels and 12 frames.
    assert macs(UNet(tfc_tdf), 10, 12) - macs(UNet(plain), 10, 12) == 4 * 12 * 2 * 10 * 5


def test_recurrent_layers_are_counted() -> None:
    def of(frame_sequence: Literal["none", "lstm"]) -> int:
        config = UNetConfig(
            channels=(4,), frame_width=6, freq_bins=10, frame_sequence=frame_sequence
        )
        return macs(UNet(config), 10, 12)

    # In 12 frames and two directions, 3 cells of 4 gates that see 6 values and 3 of their own; then
    # a linear layer from 6 to 6.
    assert of("lstm") - of("none") == 12 * (2 * 3 * 4 * (6 + 3) + 6 * 6)


def test_the_steps_of_open_unmix_are_those_that_pytorch_counts() -> None:
    with torch.device("meta"):
        network = OpenUnmix(OpenUnmixConfig(hidden_size=16)).eval()
        features = torch.empty(1, 2, network.config.stft.n_freq, 3)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(features)
    assert macs(network, network.config.stft.n_freq, 3) == counter.get_total_flops() // 2


def test_the_padding_of_a_small_input_is_counted() -> None:
    network = UNet(UNetConfig(channels=(2, 2, 2)))
    assert macs(network, 1, 1) == macs(network, 4, 1)


def test_spleeter_is_counted_for_every_stem() -> None:
    networks = [Spleeter(SpleeterConfig(stems=stems)) for stems in (("a",), ("a", "b"))]
    one, two = (macs(network, 64, 64) for network in networks)
    assert two == 2 * one > 0


def test_the_network_is_neither_run_nor_changed() -> None:
    network = UNet(BLOCK)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.register_forward_hook(lambda *_: pytest.fail("the network was run"))
    macs(network, 10, 12)
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_parameters_are_counted_without_statistics() -> None:
    # Two convolutions without bias, two norms of weight and bias, a head with bias.
    assert count_parameters(UNet(BLOCK)) == 9 * 3 * 4 + 9 * 4 * 4 + 2 * (4 + 4) + 4 * 2 + 2


@pytest.mark.parametrize("sample_rate", [22050, 44100])
def test_cost_of_a_second_of_sound(sample_rate: int) -> None:
    config = MaskNetworkConfig(
        stems=("vocals", "rest"),
        sample_rate=sample_rate,
        n_bins=20,
        stft=STFTConfig(n_fft=64, hop_length=16),
        unet=UNetConfig(in_channels=2, out_channels=2, stems=2, channels=(4,)),
    )
    per_bin = 9 * 2 * 4 + 9 * 4 * 4 + 4 * 2 * 2
    expected = per_bin * 20 * sample_rate / 16 / 1e9
    assert gmac_per_second(config) == pytest.approx(expected)
    assert macs(MaskNetwork(config), 33, 7) == per_bin * 20 * 7
