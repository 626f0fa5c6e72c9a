import numpy as np
import pytest

from stemsep.data.augment import AugmentConfig
from stemsep.data.remix import RemixConfig, RemixSampler
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError, ParameterError
from tests.signals import noise

PLAIN = {"remix": 0.0, "gain_db": 0.0, "mixture_gain_db": 0.0, "silence": 0.0}
UNVARIED = {"swap_channels": 0.0, "flip_polarity": 0.0, "speed": 0.0}


def song(name, *, samples=400, stems=STEMS, seed=0):
    waveforms = {s: noise(2, samples, seed=seed + i) for i, s in enumerate(stems)}
    return Track(name=name, sample_rate=8000, stems=waveforms)


def constant(name, value, stems=STEMS, samples=100):
    waveforms = {stem: np.full((2, samples), value, np.float32) for stem in stems}
    return Track(name=name, sample_rate=8000, stems=waveforms)


class Drawing(RemixSampler):
    def batch(self, step, examples):
        return np.stack([self.example(step, place).stems for place in examples])


def sampler(tracks, *, samples=64, seed=0, stems=STEMS, augment=None, **config):
    sources = tracks if isinstance(tracks[0], tuple) else [(tracks, 1.0)]
    return Drawing(
        sources,
        stems=stems,
        samples=samples,
        config=RemixConfig(**{**PLAIN, **config}),
        augment=AugmentConfig(**{**UNVARIED, **(augment or {})}),
        seed=seed,
    )


def starts(batch, track):
    for example in batch:
        same = [
            start
            for start in range(track.samples - 63)
            if all(
                np.array_equal(example[i], track.excerpt(s, start, 64)) for i, s in enumerate(STEMS)
            )
        ]
        yield same


def test_an_example_depends_on_seed_step_and_place_alone():
    tracks = [song("a"), song("b", seed=10)]
    everything = dict.fromkeys(("remix", "absent", "partly", "chorus", "limit"), 0.5)
    varied = {"speed": 0.5, "tempo": 0.5, "pitch": 0.5, "eq": 0.5, "compress": 0.5, "reverb": 0.5}

    def batch(seed, step, examples=range(4), before=()):
        draw = sampler(tracks, seed=seed, augment=varied, gain_db=6.0, **everything)
        for earlier in before:
            draw.batch(earlier, range(2))
        return draw.batch(step, examples)

    assert np.array_equal(batch(0, 5), batch(0, 5, before=(0, 9)))
    assert np.array_equal(batch(0, 5)[1:3], batch(0, 5, examples=range(1, 3)))
    assert not np.array_equal(batch(0, 5)[0], batch(0, 5)[1])
    assert not np.array_equal(batch(0, 5), batch(0, 6))
    assert not np.array_equal(batch(0, 5), batch(1, 5))


@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_the_sources_of_an_example_are_the_songs_in_it(remix):
    draw = sampler([constant(str(value), value) for value in range(1, 9)], remix=remix)
    heard = [{str(int(v)) for v in np.unique(example)} for example in draw.batch(3, range(5))]
    assert [set(draw.sources(3, range(i, i + 1))) for i in range(5)] == heard
    assert sorted(draw.sources(3, range(5))) == sorted(set.union(*heard))


def test_a_batch_is_float_stems_by_channels_by_samples():
    batch = sampler([song("a")], augment={"speed": 1.0, "tempo": 1.0}, remix=1.0).batch(0, range(3))
    assert batch.shape == (3, 4, 2, 64)
    assert batch.dtype == np.float32


def test_without_remix_and_variation_stems_are_one_excerpt_of_one_song():
    track = song("a")
    assert all(len(found) == 1 for found in starts(sampler([track]).batch(0, range(20)), track))


def test_every_start_is_drawn_the_first_and_the_last_too():
    track = song("a", samples=66)
    found = {found[0] for found in starts(sampler([track]).batch(0, range(40)), track)}
    assert found == {0, 1, 2}


def test_with_remix_the_stems_come_from_different_songs_and_times():
    tracks = [constant(str(value), value) for value in range(1, 9)]
    batch = sampler(tracks, remix=1.0).batch(0, range(20))
    assert any(len(np.unique(example)) > 1 for example in batch)


def test_remix_happens_as_often_as_asked_for():
    tracks = [constant(str(value), value) for value in range(1, 101)]
    batch = sampler(tracks, remix=0.3).batch(0, range(1000))
    mixed = np.mean([len(np.unique(example)) > 1 for example in batch])
    # The standard deviation of this mean is 0.0145.
    assert mixed == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize(("gain_db", "mixture_gain_db"), [(6.0, 0.0), (0.0, 4.0), (6.0, 4.0)])
def test_gains_fill_their_range_and_stay_in_it(gain_db, mixture_gain_db):
    draw = sampler([constant("a", 1)], gain_db=gain_db, mixture_gain_db=mixture_gain_db)
    gain = 20 * np.log10(draw.batch(0, range(500))[:, :, 0, 0])
    assert np.abs(gain).max() <= gain_db + mixture_gain_db + 1e-4  # float32
    assert np.abs(gain).max() > 0.8 * (gain_db + mixture_gain_db)
    spread = np.ptp(gain, axis=1).max()  # between the stems of one excerpt
    assert spread == pytest.approx(0, abs=1e-4) if gain_db == 0 else 6 < spread <= 12


def test_silence_of_one_leaves_nothing():
    assert not sampler([song("a")], silence=1.0).batch(0, range(4)).any()


def test_silence_happens_as_often_as_asked_for():
    batch = sampler([constant("a", 1)], silence=0.25).batch(0, range(500))
    # 2000 stems: the standard deviation is 0.01.
    assert np.mean(batch[:, :, 0, 0] == 0) == pytest.approx(0.25, abs=0.04)


def test_absent_leaves_some_stems_and_some_out():
    batch = sampler([constant("a", 1)], absent=1.0).batch(0, range(300))
    heard = (batch[:, :, 0, 0] != 0).sum(1)
    assert set(np.unique(heard)) == {1, 2, 3}
    assert ((batch[:, :, 0, 0] != 0).mean(0) > 0.3).all()  # each stem has its turn


def test_partly_a_stem_begins_late_or_ends_early_or_both():
    samples = 20_000
    draw = sampler([constant("a", 1, samples=samples)], samples=samples, partly=1.0)
    batch = draw.batch(0, range(100))[:, :, 0].reshape(-1, samples)
    heard = batch > 0.5
    assert 0.05 < heard.mean(1).min() < 0.2
    assert 0.6 < heard.mean(1).max() < 0.75
    assert (np.abs(np.diff(heard.astype(int), axis=1)).sum(1) <= 2).all()  # in one piece
    starts, ends = heard[:, 0].mean(), heard[:, -1].mean()
    assert 0.15 < starts < 0.35
    assert 0.15 < ends < 0.35
    assert not (heard[:, 0] & heard[:, -1]).any()
    # It comes and goes in 30 ms, and where it is there it is as it was.
    assert np.abs(np.diff(batch, axis=1)).max() < 1.01 / round(0.03 * 8000)
    assert np.isin(batch, [0.0, 1.0]).mean() > 0.95
    without = sampler([song("a")], partly=0.0).batch(0, range(20))
    some = sampler([song("a")], partly=0.5).batch(0, range(20))
    same = (without == some).all((2, 3)).mean()
    assert 0.3 < same < 0.7


def test_the_sources_of_silence_are_not_told():
    assert sampler([song("a")], silence=1.0).sources(0, range(4)) == []


def test_a_chorus_is_two_of_each_stem():
    tracks = [constant("one", 1), constant("ten", 10)]
    heard = sampler(tracks, chorus=1.0).batch(0, range(50))
    assert set(np.unique(heard)) == {2, 11, 20}
    some = sampler(tracks, chorus=0.25).batch(0, range(400))[:, 0, 0, 0]
    # The standard deviation of this mean is 0.022.
    assert np.mean(np.isin(some, [2, 11, 20])) == pytest.approx(0.25, abs=0.09)


def test_a_limited_mixture_is_less_loud_and_its_stems_keep_their_balance():
    track = song("a", samples=4000)
    plain = sampler([track], samples=4000).batch(0, range(20))
    limited = sampler([track], samples=4000, limit=1.0, limit_db=12.0).batch(0, range(20))
    loss_db = 20 * np.log10(np.abs(plain.sum(1)).max((1, 2)) / np.abs(limited.sum(1)).max((1, 2)))
    assert loss_db.min() >= -0.01  # nothing gets louder
    assert 8 < loss_db.max() <= 12.01
    ratio = limited / plain
    assert np.allclose(ratio, ratio[:, :1, :1], atol=1e-4)


@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_stems_of_one_moment_keep_together_when_the_tempo_changes(remix):
    # The same sound in every stem: played at one tempo from one place it stays the same.
    wave = noise(2, 40_000)
    track = Track(name="a", sample_rate=8000, stems=dict.fromkeys(STEMS, wave))
    varied = {"tempo": 1.0, "pitch": 1.0, "speed": 1.0}
    batch = sampler([track], samples=8000, remix=remix, augment=varied).batch(0, range(2))
    together = [np.array_equal(batch[:, 0], batch[:, i]) for i in range(1, 4)]
    assert together == [remix == 0] * 3


def test_the_variations_reach_the_stems_one_by_one():
    batch = sampler([constant("a", 1)], augment={"flip_polarity": 0.5}).batch(0, range(20))
    assert set(np.unique(batch)) == {-1, 1}
    assert (np.ptp(batch[..., 0, 0], axis=1) > 0).any()


def test_a_song_shorter_than_the_excerpt_is_followed_by_zeros():
    batch = sampler([constant("a", 1)], samples=150, remix=1.0).batch(0, range(2))
    assert (batch[..., :100] == 1).all()
    assert not batch[..., 100:].any()


def test_a_stem_that_a_song_does_not_have_is_silent_in_it_and_never_remixed():
    whole, part = constant("whole", 1), constant("part", 2, stems=("vocals", "drums"))
    plain = sampler([whole, part]).batch(0, range(100))
    assert {tuple(example[:, 0, 0]) for example in plain} == {(1, 1, 1, 1), (2, 2, 0, 0)}
    mixed = sampler([whole, part], remix=1.0).batch(0, range(100))
    assert (mixed[:, 2:] == 1).all()
    assert set(np.unique(mixed[:, :2])) == {1, 2}


def test_loose_stems_are_remixed_alone():
    loose = Track(
        name="loose",
        sample_rate=8000,
        stems={"bass": np.full((2, 100), 2, np.float32)},
        complete=False,
    )
    assert (sampler([constant("a", 1), loose]).batch(0, range(50)) == 1).all()
    mixed = sampler([constant("a", 1), loose], remix=1.0).batch(0, range(50))
    assert set(np.unique(mixed[:, 2])) == {1, 2}
    all_loose = [
        Track(name=s, sample_rate=8000, stems={s: np.ones((2, 100), np.float32)}, complete=False)
        for s in STEMS
    ]
    assert (sampler(all_loose, remix=0.0).batch(0, range(5)) == 1).all()


@pytest.mark.parametrize("silence", [0.0, 1.0])
def test_a_stem_that_cannot_be_trusted_is_heard_marked_and_never_remixed(silence):
    doubtful = Track(
        name="doubtful",
        sample_rate=8000,
        stems=constant("", 2).stems,
        unreliable=frozenset({"bass", "other"}),
    )
    tracks = [constant("good", 1), doubtful]
    plain = [sampler(tracks, silence=silence).example(0, i) for i in range(40)]
    marks = {(example.stems[2, 0, 0], tuple(example.reliable)) for example in plain}
    level = 1 - silence
    assert marks == {(level, (1, 1, 1, 1)), (2 * level, (1, 1, 0, 0))}
    mixed = [sampler(tracks, remix=1.0).example(0, i) for i in range(40)]
    assert all((example.stems[2:] == 1).all() for example in mixed)
    assert all((example.reliable == 1).all() for example in mixed)
    assert {example.stems[0, 0, 0] for example in mixed} == {1, 2}


def test_a_song_without_stems_is_a_mixture_to_be_labelled():
    song = Track(name="bare", sample_rate=8000, stems={}, mixture=np.full((2, 100), 7, np.float32))
    draw = sampler([([constant("a", 1)], 0.75), ([song], 0.25)], remix=1.0)
    examples = [draw.example(0, i) for i in range(400)]
    bare = [example for example in examples if (example.reliable == 0).all()]
    # The standard deviation of this mean is 0.022.
    assert len(bare) / 400 == pytest.approx(0.25, abs=0.09)
    assert all((example.mixture == 7).all() and not example.stems.any() for example in bare)
    others = [example for example in examples if example.reliable.any()]
    assert all((example.mixture == 4).all() for example in others)
    assert sorted(draw.sources(0, range(400))) == ["a", "bare"]


def test_the_mixture_is_the_sum_of_the_stems_limited_or_not():
    draw = sampler([song("a"), song("b", seed=9)], remix=0.5, limit=0.5, chorus=0.5, gain_db=6.0)
    for place in range(10):
        example = draw.example(0, place)
        assert np.allclose(example.mixture, example.stems.sum(0), atol=1e-5)  # float32


def test_a_codec_changes_what_the_network_hears_and_not_the_stems():
    track = Track(name="a", sample_rate=44_100, stems={s: noise(2, 9000) for s in STEMS})
    plain = sampler([track], samples=8192).example(0, 0)
    coded = sampler([track], samples=8192, codec=1.0, codec_kbps=(64, 64)).example(0, 0)
    assert np.array_equal(coded.stems, plain.stems)
    error = ((coded.mixture - plain.mixture) ** 2).sum() / (plain.mixture**2).sum()
    assert 0.01 < error < 1  # noise is the worst for codecs


@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_a_source_has_its_weight_however_many_songs_it_has(remix):
    many = [constant(f"m{i}", 1) for i in range(9)]
    draw = sampler([(many, 0.25), ([constant("one", 2)], 0.75)], remix=remix)
    from_one = np.mean(draw.batch(0, range(1000))[:, 0, 0, 0] == 2)
    # The standard deviation of this mean is 0.0137.
    assert from_one == pytest.approx(0.75, abs=0.055)


def test_a_stem_that_no_song_has_is_named():
    with pytest.raises(DatasetError, match="no track has piano"):
        sampler([song("a")], stems=("vocals", "piano"))


@pytest.mark.parametrize(
    "name", ["remix", "silence", "absent", "partly", "chorus", "limit", "codec"]
)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(name, value):
    with pytest.raises(ParameterError, match=f"{name} = .*probability"):
        RemixConfig(**{name: value})


@pytest.mark.parametrize("name", ["gain_db", "mixture_gain_db", "limit_db"])
def test_an_impossible_gain_is_refused(name):
    with pytest.raises(ParameterError, match=f"{name} = -1"):
        RemixConfig(**{name: -1})


@pytest.mark.parametrize("value", [(16, 64), (128, 64), (64, 500)])
def test_bit_rates_that_codecs_do_not_have_are_refused(value):
    with pytest.raises(ParameterError, match="codec_kbps"):
        RemixConfig(codec_kbps=value)
