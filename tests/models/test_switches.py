"""Every switch of the network learns: one batch of pictures by heart."""

import numpy as np
import pytest
import torch

from stemsep.models import UNet, UNetConfig
from stemsep.training.image_losses import segmentation_loss
from stemsep.training.overfit import FALL, overfit
from tests.pictures import disc_pair

ONE_BY_ONE = [
    {},
    *({"activation": name} for name in ("leaky_relu", "elu", "gelu", "silu")),
    *({"norm": name} for name in ("instance", "group", "none")),
    {"downsample": "strided"},
    {"upsample": "bilinear"},
    {"padding": "valid"},
    {"block": "residual"},
    {"block": "tfc_tdf", "freq_bins": 32},
    {"skip": "add"},
    {"kernel_size": 5},
    {"dropout": 0.1},
]
PAIRS = [
    {"activation": "elu", "norm": "none"},
    {"activation": "gelu", "norm": "group", "block": "residual"},
    {"norm": "none", "padding": "valid"},
    {"norm": "instance", "downsample": "strided", "upsample": "bilinear"},
    {"downsample": "strided", "padding": "valid", "block": "residual"},
    {"upsample": "bilinear", "padding": "valid", "activation": "silu"},
    {"upsample": "bilinear", "skip": "add", "norm": "group"},
    {"block": "tfc_tdf", "freq_bins": 32, "activation": "leaky_relu", "norm": "none"},
]


def named(switches):
    return "-".join(str(value) for value in switches.values()) or "default"


@pytest.mark.parametrize("switches", [*ONE_BY_ONE, *PAIRS], ids=named)
def test_the_loss_of_one_batch_falls_tenfold(switches):
    torch.manual_seed(0)
    pairs = [disc_pair(32, seed) for seed in range(2)]
    pictures = torch.from_numpy(np.stack([p[None].astype(np.float32) for p, _ in pairs]))
    pictures = (pictures - pictures.mean()) / pictures.std()
    targets = torch.from_numpy(np.stack([m // 255 for _, m in pairs]).astype(np.int64))
    network = UNet(UNetConfig(in_channels=1, channels=(8, 16), **switches))
    lost = (32 - network(pictures).shape[-1]) // 2
    targets = targets[:, lost : 32 - lost, lost : 32 - lost]
    losses = overfit(
        network,
        lambda net: segmentation_loss(net(pictures), targets, kind="ce"),
        steps=300,
        learning_rate=1e-2,
    )
    assert losses[-1] <= losses[0] / FALL
