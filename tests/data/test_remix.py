import numpy as np
import pytest

from stemsep.data.remix import RemixConfig, RemixSampler
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError, ParameterError
from tests.signals import noise, tone

PLAIN = {
    "remix": 0.0,
    "gain_db": 0.0,
    "mixture_gain_db": 0.0,
    "swap_channels": 0.0,
    "flip_polarity": 0.0,
    "silence": 0.0,
    "speed": 0.0,
}


def song(name, *, samples=400, stems=STEMS, seed=0):
    waveforms = {s: noise(2, samples, seed=seed + i) for i, s in enumerate(stems)}
    return Track(name=name, sample_rate=8000, stems=waveforms)


def constant(name, value, stems=STEMS):
    waveforms = {stem: np.full((2, 100), value, np.float32) for stem in stems}
    return Track(name=name, sample_rate=8000, stems=waveforms)


def sampler(tracks, *, samples=64, seed=0, stems=STEMS, **config):
    sources = tracks if isinstance(tracks[0], tuple) else [(tracks, 1.0)]
    return RemixSampler(
        sources,
        stems=stems,
        samples=samples,
        config=RemixConfig(**{**PLAIN, **config}),
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
    default = RemixConfig()

    def batch(seed, step, examples=range(4), before=()):
        draw = RemixSampler([(tracks, 1.0)], stems=STEMS, samples=64, config=default, seed=seed)
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
    batch = sampler([song("a")], speed=1.0, remix=1.0).batch(0, range(3))
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


def test_polarity_is_turned_stem_by_stem():
    assert (sampler([constant("a", 1)], flip_polarity=1.0).batch(0, range(4)) == -1).all()
    some = sampler([constant("a", 1)], flip_polarity=0.5).batch(0, range(20))
    assert set(np.unique(some)) == {-1, 1}


def test_swapping_turns_left_and_right():
    left = np.stack([np.ones(100, np.float32), np.zeros(100, np.float32)])
    track = Track(name="a", sample_rate=8000, stems=dict.fromkeys(STEMS, left))
    swapped = sampler([track], swap_channels=1.0).batch(0, range(4))
    assert not swapped[:, :, 0].any()
    assert (swapped[:, :, 1] == 1).all()
    some = sampler([track], swap_channels=0.5).batch(0, range(20))[..., 0]
    assert (some.sum(-1) == 1).all()
    assert set(np.unique(some[..., 0])) == {0, 1}


@pytest.mark.parametrize("factor", [0.5, 0.85, 1.18, 3.0])
def test_speed_changes_the_pitch_by_its_factor(factor):
    wave = np.tile(tone(500, samples=16000, sample_rate=8000), (2, 1)).astype(np.float32)
    track = Track(name="a", sample_rate=8000, stems=dict.fromkeys(STEMS, wave))
    draw = sampler([track], samples=4000, remix=1.0, speed=1.0, speed_range=(factor, factor))
    heard = draw.batch(0, range(1))[0, 0, 0]
    assert heard[-100:].any()  # filled to its end
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(4000)))
    assert np.argmax(spectrum) * 2 == pytest.approx(500 * factor, abs=2)  # a bin is 2 Hz


def test_a_song_shorter_than_the_excerpt_is_followed_by_zeros():
    batch = sampler([constant("a", 1)], samples=150, remix=1.0).batch(0, range(2))
    assert (batch[..., :100] == 1).all()
    assert not batch[..., 100:].any()


def test_a_song_without_some_stems_is_drawn_neither_whole_nor_for_those():
    whole, part = constant("whole", 1), constant("part", 2, stems=("vocals", "drums"))
    assert (sampler([whole, part]).batch(0, range(100)) == 1).all()
    mixed = sampler([whole, part], remix=1.0).batch(0, range(100))
    assert (mixed[:, 2:] == 1).all()
    assert set(np.unique(mixed[:, :2])) == {1, 2}


@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_a_source_has_its_weight_however_many_songs_it_has(remix):
    many = [constant(f"m{i}", 1) for i in range(9)]
    draw = sampler([(many, 0.25), ([constant("one", 2)], 0.75)], remix=remix)
    from_one = np.mean(draw.batch(0, range(1000))[:, 0, 0, 0] == 2)
    # The standard deviation of this mean is 0.0137.
    assert from_one == pytest.approx(0.75, abs=0.055)


def test_a_stem_that_no_song_has_is_named():
    with pytest.raises(DatasetError, match="no track has vocals, piano"):
        sampler([song("a")], stems=("vocals", "piano"))


@pytest.mark.parametrize("name", ["remix", "swap_channels", "flip_polarity", "silence", "speed"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(name, value):
    with pytest.raises(ParameterError, match=f"{name} = .*probability"):
        RemixConfig(**{name: value})


@pytest.mark.parametrize("value", [(0, 1), (1.2, 0.8), (-1, 1)])
def test_an_impossible_speed_range_is_refused(value):
    with pytest.raises(ParameterError, match="speed_range"):
        RemixConfig(speed_range=value)
