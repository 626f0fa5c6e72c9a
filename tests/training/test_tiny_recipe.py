import numpy as np
import pytest

from stemsep.data.shipped import shipped_folder
from stemsep.evaluation.sdr import mean_scores
from stemsep.training.engine import train
from stemsep.training.recipe import build_task, read_recipe
from stemsep.weights.checkpoint import load_network


@pytest.mark.slow
def test_the_tiny_recipe_beats_a_quarter_of_the_mixture_on_songs_it_has_not_heard(tmp_path):
    recipe = read_recipe(shipped_folder("recipes") / "tiny.toml")
    task = build_task(recipe, None)
    assert not {track.name for track in task.valid} & set(task.sources(0, range(500)))
    train(task, recipe.train, tmp_path, say=lambda _: None)
    stems = recipe.network.stems
    truths = ((track.whole(stems), track.sample_rate) for track in task.valid)
    quarters = ((np.stack([t.sum(0) / len(stems)] * len(stems)), t, rate) for t, rate in truths)
    floor = mean_scores(quarters)["museval SDR"].mean()
    assert task.scores(load_network(tmp_path / "best.safetensors"))["score"] > floor + 0.5
