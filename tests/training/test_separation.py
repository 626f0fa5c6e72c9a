import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from stemsep.data.augment import AugmentConfig
from stemsep.data.remix import RemixConfig
from stemsep.data.track import STEMS, Track
from stemsep.dsp import STFTConfig, istft, stft
from stemsep.errors import DatasetError
from stemsep.evaluation.sdr import track_sdr
from stemsep.models import MaskNetwork, SpleeterConfig, network_input
from stemsep.separation.masking import filtered_stems
from stemsep.training import separation
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train
from stemsep.training.losses import LossConfig
from stemsep.training.separation import SeparationTask
from stemsep.weights.checkpoint import Card, load_network, read_card
from tests.networks import tiny_config
from tests.signals import noise, tone

RATE = 8000
PITCHES = {"vocals": 1500, "drums": 2900, "bass": 120, "other": 600}


def track(name, *, seconds=3, seed=0, rate=RATE, **replaced):
    # Each stem is a tone of its own in a little noise.
    rng, samples, stems = np.random.default_rng(seed), int(seconds * rate), {}
    for i, (stem, pitch) in enumerate(PITCHES.items()):
        wave = tone(pitch * rng.uniform(0.9, 1.1), samples=samples, sample_rate=rate)
        stems[stem] = (wave + 0.02 * noise(2, samples, seed=seed + i)).astype(np.float32)
    return Track(name=name, sample_rate=rate, stems={**stems, **replaced})


def build(sources, valid, *, seed=0, loss=None, config=None, initial=None, presence=None, **remix):
    return SeparationTask(
        config or tiny_config(),
        sources=[(sources, 1.0)],
        valid=valid,
        remix=RemixConfig(**remix),
        augment=AugmentConfig(),
        loss=LossConfig(**(loss or {})),
        frames=24,
        seed=seed,
        card=Card(license="CC0", description="tones"),
        initial=initial,
        presence=presence,
    )


def tones_task(**options):
    return build([track("a"), track("b", seed=10)], [track("c", seed=20)], **options)


class EqualMasks(torch.nn.Module):
    def forward(self, magnitude):
        return magnitude.new_full((1, 4, *magnitude.shape[1:]), 0.25)


def test_thirty_steps_lower_the_loss_raise_the_score_and_leave_a_checkpoint(tmp_path):
    task = tones_task()
    batch = task.batch(1000, range(8))
    before = task.loss(task.network, batch).item(), task.scores(task.network.eval())["score"]
    config = TrainConfig(
        steps=30, batch_size=4, learning_rate=1e-2, warmup_steps=3, validate_every=15, ema=0.8
    )
    train(task, config, tmp_path, say=lambda _: None)
    network = load_network(tmp_path / "best.safetensors")
    with torch.no_grad():
        assert task.loss(network, batch).item() < 0.9 * before[0]
    best = max(entry["score"] for entry in json.loads((tmp_path / "log.json").read_text()))
    assert best > before[1] + 1
    # The checkpoint holds 16 bits, the log was written from 32.
    assert task.scores(network)["score"] == pytest.approx(best, abs=0.05)


def test_a_checkpoint_tells_its_steps_and_scores(tmp_path):
    task = tones_task()
    task.save(task.network, tmp_path / "a.safetensors", 7, {"score": 1.23456, "bass": 2.0})
    config, card = read_card(tmp_path / "a.safetensors")
    assert config == tiny_config()
    assert (card.steps, card.license, card.description) == (7, "CC0", "tones")
    assert card.scores == (
        {"measure": "museval SDR", "data": "validation tracks", "score": 1.235, "bass": 2.0},
    )
    assert task.card.scores == ()


def test_a_batch_has_whole_frames_and_depends_on_seed_and_step():
    task = tones_task()
    batch = task.batch(3, range(2))
    shapes = {name: tuple(tensor.shape) for name, tensor in batch.items()}
    samples = 23 * 64
    assert shapes == {
        "stems": (2, 4, 2, samples),
        "mixture": (2, 2, samples),
        "reliable": (2, 4),
    }
    same, other = tones_task().batch(3, range(2)), tones_task(seed=1).batch(3, range(2))
    assert all(torch.equal(batch[name], same[name]) for name in batch)
    assert not torch.equal(batch["stems"], other["stems"])


def test_the_first_weights_depend_on_the_seed():
    one, same, other = (tones_task(seed=seed).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_the_loss_is_complex_l1_of_the_trained_bins_alone():
    task = tones_task()
    batch = task.batch(0, range(2))
    network = task.network.eval()
    spectrum = stft(batch["stems"], task.config.stft)[..., :128, :]
    mixture = spectrum.sum(1)
    level = torch.cat([mixture.real, mixture.imag], 1).abs().mean((1, 2, 3)) + 1e-3
    error = (network(mixture.abs()) * mixture[:, None] - spectrum) / level[
        :, None, None, None, None
    ]
    expected = (error.real.abs() + error.imag.abs()).mean().item()
    # float32 and another order of the sums
    assert task.loss(network, batch).item() == pytest.approx(expected, rel=1e-5)


def test_a_stem_that_is_not_to_be_learned_from_gives_no_gradient():
    task = tones_task()
    batch = task.batch(0, range(2))
    batch["reliable"][:, 2] = 0
    before = task.loss(task.network.eval(), batch).item()
    batch["stems"][:, 2] *= 5  # another truth, the same mixture
    assert task.loss(task.network, batch).item() == before
    batch["stems"][:, 1] *= 5
    assert task.loss(task.network, batch).item() != before


def test_stems_count_by_their_weights():
    plain, weighted = tones_task(), tones_task(loss={"stems": {"bass": 3.0}})
    bass = tones_task(loss={"stems": dict.fromkeys(STEMS, 0.0) | {"bass": 1.0}})
    batch, network = plain.batch(0, range(2)), plain.network.eval()
    with torch.no_grad():
        whole, more, rest = (t.loss(network, batch).item() for t in (plain, weighted, bass))
    assert more == pytest.approx(whole + 2 * rest, rel=1e-5)


@pytest.mark.parametrize(
    "name",
    ["log_l2", "magnitude_l1", "magnitude_l2", "multi_resolution", "waveform_l1", "si_sdr"],
)
def test_each_loss_trains(name):
    loss = {"complex_l1": 0.0, name: 1.0, "resolutions": [64, 128]}
    task = tones_task(loss=loss)
    batch = task.batch(0, range(4))
    optimizer = torch.optim.Adam(task.network.parameters(), 1e-2)
    values = []
    for _ in range(12):
        value = task.loss(task.network, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert np.isfinite(values).all()
    assert values[-1] < values[0] - 0.05 * abs(values[0])


def test_vocals_and_accompaniment_are_learned_from_songs_of_four_stems():
    config = replace(
        tiny_config(), stems=("vocals", "accompaniment"), unet=replace(tiny_config().unet, stems=2)
    )
    task = build([track("a")], [track("c", seed=20)], config=config)
    batch = task.batch(0, range(3))
    assert batch["stems"].shape[1] == 2
    assert torch.allclose(batch["stems"].sum(1), batch["mixture"], atol=1e-5)
    assert set(task.scores(task.network.eval())) == {"score", "usdr", "vocals", "accompaniment"}


def test_a_network_of_one_stem_hears_the_others_too():
    config = replace(tiny_config(), stems=("vocals",), unet=replace(tiny_config().unet, stems=1))
    task = build([track("a")], [track("c", seed=20)], config=config, silence=0.0)
    batch = task.batch(0, range(2))
    assert batch["stems"].shape[1] == 1
    assert not torch.allclose(batch["stems"][:, 0], batch["mixture"], atol=1e-2)


def test_spleeter_trains_on_its_own_output_and_is_saved_as_itself(tmp_path):
    config = SpleeterConfig(sample_rate=RATE, n_bins=64, stft=STFTConfig(n_fft=256, hop_length=64))
    loss = {"complex_l1": 0.0, "magnitude_l1": 1.0}
    task = build([track("a")], [track("c", seed=20)], config=config, loss=loss)
    batch = task.batch(0, range(1))
    task.loss(task.network, batch).backward()
    magnitude = torch.rand(1, 2, 64, 24)
    masks = task.network.eval()(magnitude)
    inside = task.network.network
    assert torch.allclose(masks * magnitude[:, None], inside.estimate(magnitude), atol=1e-6)
    task.save(task.network, tmp_path / "a.safetensors", 1, {"score": 0.0})
    loaded = load_network(tmp_path / "a.safetensors")
    with torch.no_grad():
        assert torch.allclose(loaded(magnitude), inside(magnitude), atol=0.02)  # 16 bits


def test_a_long_validation_track_goes_through_the_network_in_parts(monkeypatch):
    task = tones_task()
    whole = task.scores(task.network.eval())
    monkeypatch.setattr(separation, "MOST_FRAMES", 100)
    parts = task.scores(task.network.eval())
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, abs=0.01)


def test_scores_are_the_median_of_seconds_and_of_tracks_and_the_mean_of_stems():
    valid = [track(name, seed=seed) for name, seed in (("c", 20), ("d", 30), ("e", 40))]
    scores = build([track("a")], valid).scores(EqualMasks())
    assert set(scores) == {"score", "usdr", *STEMS}
    assert scores["score"] == pytest.approx(np.mean([scores[stem] for stem in STEMS]))
    expected = []
    for song in valid:
        reference = np.stack([song.stems[stem] for stem in STEMS])
        estimate = np.repeat(reference.sum(0, keepdims=True) / 4, 4, axis=0)
        expected.append(track_sdr(estimate=estimate, reference=reference))
    # The STFT and its inverse leave an error of about 1e-7.
    assert scores["usdr"] == pytest.approx(np.mean(expected), abs=1e-3)


def test_a_track_is_scored_on_its_own_mixture_where_it_has_one():
    song = track("c")
    quiet = 0.5 * sum(song.stems.values())
    other = Track(name="c", sample_rate=RATE, stems=song.stems, mixture=quiet)
    plain = build([track("a")], [song]).scores(EqualMasks())
    assert build([track("a")], [other]).scores(EqualMasks()) != plain


def test_a_validation_track_among_the_sources_is_refused():
    with pytest.raises(DatasetError, match="validation track 'b' is among the sources; exclude"):
        build([track("a"), track("b")], [track("c"), track("b")])


def test_validation_tracks_that_cannot_be_scored_are_refused_and_one_good_one_suffices():
    silent = track("c", bass=np.zeros((2, 3 * RATE), np.float32))
    with pytest.raises(DatasetError, match="nothing to score"):
        build([track("a")], [silent])
    with pytest.raises(DatasetError, match="nothing to score"):
        build([track("a")], [])
    scores = build([track("a")], [silent, track("d")]).scores(MaskNetwork(tiny_config()).eval())
    assert np.isfinite(scores["score"])


@pytest.mark.parametrize("part", ["sources", "valid"])
def test_another_sample_rate_than_the_networks_is_refused(part):
    tracks = {"sources": [track("a")], "valid": [track("c")]}
    tracks[part] = [track("odd", rate=16000)]
    with pytest.raises(DatasetError, match="'odd' has 16000 Hz, the network 8000 Hz"):
        build(**tracks)


def test_pictures_show_each_stem_of_the_first_validation_track():
    task = tones_task()
    pictures = task.pictures(task.network.eval())
    assert tuple(pictures) == STEMS
    assert len({picture.shape for picture in pictures.values()}) == 1
    assert not np.array_equal(pictures["bass"], pictures["drums"])


def test_masks_that_do_not_sum_to_one_are_scored_as_songs_are_separated():
    config = replace(tiny_config(), unet=replace(tiny_config().unet, head="sigmoid"))
    task = build([track("a")], [track("c", seed=20)], config=config)
    estimate, _, _ = task._scored(task.network.eval(), task.valid[0])
    assert np.allclose(estimate.sum(0), task.valid[0].mixed(0, 3 * RATE), atol=1e-4)


def test_a_network_made_for_the_spatial_filter_is_scored_with_it():
    song = track("c", seed=20)
    made_for_it = replace(tiny_config(), spatial=True)
    plain, filtered = (build([track("a")], [song], config=c) for c in (tiny_config(), made_for_it))
    network = plain.network.eval()
    estimate, _, _ = filtered._scored(network, song)
    mixture = song.mixed(0, song.samples)
    assert np.allclose(estimate.sum(0), mixture, atol=1e-4)
    assert not np.allclose(estimate, plain._scored(network, song)[0], atol=1e-3)
    spectrum = stft(torch.from_numpy(mixture), made_for_it.stft)[None]
    with torch.no_grad():
        stems = filtered_stems(network(network_input(spectrum, made_for_it)), spectrum)
    expected = istft(stems[0], made_for_it.stft, length=song.samples)
    assert np.allclose(estimate, expected, atol=1e-5)
