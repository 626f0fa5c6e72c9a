"""What a U-Net says about which stems are heard, and what that does to its masks."""

import pytest
import torch

from stemsep.errors import ParameterError
from stemsep.models import UNet, UNetConfig
from stemsep.models.unet import PRESENCE_MARGIN, PRESENCE_POWER
from tests.dsp.tensors import uniform

SIZES = {
    "in_channels": 2,
    "out_channels": 2,
    "stems": 3,
    "channels": (4, 6),
    "head": "softmax",
    "subbands": 2,
    "freq_bins": 16,
}


def networks(heard: list[float]) -> tuple[UNet, UNet]:
    """Return a network without presence, and the same with these logits whatever it hears."""
    torch.manual_seed(0)
    without = UNet(UNetConfig(**SIZES)).eval()  # type: ignore[arg-type]
    having = UNet(UNetConfig(**SIZES, presence=5)).eval()  # type: ignore[arg-type]
    missing = having.load_state_dict(without.state_dict(), strict=False).missing_keys
    assert missing
    assert all(name.startswith("presence.") for name in missing)
    having.presence.heard.bias.data = torch.tensor(heard)
    return without, having


@pytest.mark.parametrize("frames", [None, slice(3, 7)])
def test_masks_of_a_stem_are_divided_by_how_unlikely_it_is_and_shared_out_again(frames):
    without, having = networks([20.0, -1.0, 0.5])
    features = uniform(2, 2, 16, 12).abs()
    with torch.no_grad():
        masks, found = without(features, frames), having(features, frames)
        heard = torch.sigmoid(having.heard(features))
    torch.testing.assert_close(heard[1], torch.tensor([20.0, -1.0, 0.5]).sigmoid())
    likely = torch.sigmoid(heard.logit() + PRESENCE_MARGIN)
    expected = masks * likely[:, :, None, None, None] ** PRESENCE_POWER
    torch.testing.assert_close(found, expected / expected.sum(1, keepdim=True))


def test_all_else_starts_from_the_weights_that_it_has_without():
    torch.manual_seed(3)
    without = UNet(UNetConfig(**SIZES)).state_dict()  # type: ignore[arg-type]
    torch.manual_seed(3)
    having = UNet(UNetConfig(**SIZES, presence=5)).state_dict()  # type: ignore[arg-type]
    assert all(torch.equal(having[name], value) for name, value in without.items())


def test_before_training_all_stems_are_as_likely():
    without, having = networks([0.0, 0.0, 0.0])
    features = uniform(1, 2, 16, 12).abs()
    with torch.no_grad():
        torch.testing.assert_close(having(features), without(features))


def test_items_of_a_batch_are_told_apart_and_a_frame_counts_wherever_it_is():
    _, having = networks([0.0, 0.0, 0.0])
    torch.nn.init.normal_(having.presence.heard.weight)
    torch.nn.init.normal_(having.presence.weights.weight)
    low = uniform(2, 6, 4, 9, seed=1)
    with torch.no_grad():
        heard = having.presence(low)
        assert (heard[0] - heard[1]).abs().max() > 0.01
        # At first nothing is done along time but to weigh the frames.
        elsewhere = having.presence(low[..., torch.randperm(9)])
        torch.testing.assert_close(elsewhere, heard)
        louder = torch.cat([low, 5 * uniform(2, 6, 4, 1, seed=2)], -1)
        assert (having.presence(louder) - heard).abs().max() > 0.01


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"head": "sigmoid"}, "presence = 5 needs stems and head = 'softmax'"),
        ({"stems": 0}, "presence = 5 needs stems"),
        ({"freq_bins": 0}, "presence needs freq_bins"),
        ({"presence": -1}, "presence = -1"),
    ],
)
def test_what_cannot_tell_is_refused(switch, message):
    with pytest.raises(ParameterError, match=message):
        UNetConfig(**{**SIZES, "presence": 5, **switch})
