import pytest
import torch
from torch import nn

from stemsep.models import UNet, UNetConfig
from stemsep.models.fold import fold_norms
from tests.networks import tiny_network


def trained(network: nn.Module) -> nn.Module:
    """Give every norm statistics and weights that are not trivial."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(values)
            nn.init.uniform_(module.running_var, 0.1, 3)
    return network.eval()


@pytest.mark.parametrize("block", ["double", "residual", "tfc_tdf"])
@pytest.mark.parametrize("downsample", ["maxpool", "strided"])
@torch.inference_mode()
def test_a_folded_network_is_the_same_but_for_rounding(block, downsample):
    config = UNetConfig(
        channels=(4, 8), block=block, downsample=downsample, freq_bins=16, in_channels=2
    )
    network = trained(UNet(config))
    features = torch.randn(2, 2, 16, 12)
    before = network(features)
    folded = fold_norms(network)
    after = folded(features)
    assert (after - before).abs().max() < 1e-4 * before.abs().max()
    assert sum(isinstance(m, nn.Identity) for m in folded.modules()) >= 4
    assert torch.equal(network(features), before)  # itself unchanged


def test_networks_without_batch_norm_are_left_alone():
    network = tiny_network(norm="group")
    folded = fold_norms(network)
    assert str(folded) == str(network)
    assert all(
        torch.equal(a, b) for a, b in zip(folded.parameters(), network.parameters(), strict=True)
    )
