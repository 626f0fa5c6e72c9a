import json

import pytest

from stemsep.errors import WeightsError
from stemsep.weights.checkpoint import Card, save_network
from stemsep.weights.info import describe
from tests.networks import STEMS, tiny_network


def test_what_a_checkpoint_tells_goes_through_json_unchanged(tmp_path):
    network, path = tiny_network(), tmp_path / "tiny.safetensors"
    card = Card(license="CC0", recipe={"frames": 3}, scores=({"measure": "uSDR", "all": 1.0},))
    save_network(path, network.state_dict(), network.config, card)
    told = describe(path)
    assert json.loads(json.dumps(told, allow_nan=False))["scores"] == [dict(card.scores[0])]
    assert told["stems"] == list(STEMS)
    assert told["parameters"] == sum(p.numel() for p in network.parameters())
    assert told["megabytes"] == round(path.stat().st_size / 1e6, 2)
    assert told["recipe_hash"] == card.recipe_hash
    assert told["license"] == "CC0"
    assert told["gmac_per_second"] > 0
    assert told["spatial_filter"] is False
    assert describe("default")["spatial_filter"] is True


def test_an_unknown_model_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no model"):
        describe(tmp_path / "none.safetensors")
