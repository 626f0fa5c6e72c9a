import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stemsep.errors import ParameterError
from stemsep.models import PRESETS, UNet, UNetConfig
from stemsep.segmentation.tiles import lost_border, mirrored, overlap_tile, tile_config


def network_of(**switches):
    torch.manual_seed(0)
    network = UNet(UNetConfig(**{"in_channels": 1, "channels": (3, 4, 5), **switches})).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.5, 0.5)
    return network


def tiled(network, picture, tile):
    with torch.inference_mode():
        return overlap_tile(network, picture, config=tile_config(network.config), tile=tile)


def test_the_paper_loses_92_pixels_on_each_side():
    preset = PRESETS["ronneberger"]
    assert isinstance(preset, UNetConfig)
    assert lost_border(preset) == 92


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("switch", [{}, {"downsample": "strided"}, {"block": "residual"},
                                    {"kernel_size": 5}, {"norm": "none"}])  # fmt: skip
@settings(max_examples=6)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 99))
def test_tiles_give_the_whole_picture_without_seams(padding, switch, height, width, seed):
    network = network_of(padding=padding, **switch)
    picture = torch.randn(1, height, width, generator=torch.Generator().manual_seed(seed))
    whole = tiled(network, picture, 0)
    assert whole.shape == (2, height, width)
    torch.testing.assert_close(tiled(network, picture, 4), whole, atol=2e-6, rtol=1e-5)


def test_padded_networks_see_the_picture_as_in_one_pass():
    network, picture = network_of(), torch.randn(1, 61, 47)
    with torch.inference_mode():
        torch.testing.assert_close(tiled(network, picture, 0), network(picture[None])[0])


def test_unpadded_networks_see_mirrored_borders():
    network, picture = network_of(padding="valid"), torch.randn(1, 20, 23)
    reach = lost_border(network.config)
    rows, columns = (mirrored(-reach, n + reach + 4, n) for n in (20, 23))
    with torch.inference_mode():
        expected = network(picture[:, rows][:, :, columns][None])[0, :, :20, :23]
    torch.testing.assert_close(tiled(network, picture, 8), expected)


def test_bilinear_tiles_are_close():
    network, picture = network_of(upsample="bilinear"), torch.rand(1, 150, 150)
    whole = tiled(network, picture, 0)
    difference = (tiled(network, picture, 64) - whole).abs().max()
    assert 1e-5 < difference < 0.1 * whole.std()  # aligned corners depend on the size


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_norms_over_a_tile_depend_on_the_tile(norm):
    network, picture = network_of(norm=norm), torch.rand(1, 150, 150)
    assert (tiled(network, picture, 64) - tiled(network, picture, 0)).abs().max() > 1e-4


def test_no_tile_is_larger_than_it_should_be():
    sizes = []
    network = network_of()
    config = tile_config(network.config)

    def watched(tile):
        sizes.append(max(tile.shape[-2:]))
        return network(tile)

    with torch.inference_mode():
        overlap_tile(watched, torch.rand(1, 200, 1), config=config, tile=32)
    assert len(sizes) > 1
    assert max(sizes) <= 32 + 2 * config.context


@given(st.integers(1, 9), st.integers(-40, 0), st.integers(1, 50))
def test_mirroring_is_that_of_numpy(size, first, last):
    before, after = max(0, -first), max(0, last - size)
    padded = np.pad(np.arange(size), (before, after), mode="reflect")
    expected = padded[first + before : last + before]
    np.testing.assert_array_equal(mirrored(first, last, size), expected)


def test_tiles_that_would_shift_the_pooling_are_refused():
    with pytest.raises(ParameterError, match="multiple of 4"):
        tiled(network_of(), torch.rand(1, 8, 8), 6)
