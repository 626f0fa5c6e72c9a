import numpy as np
import pytest

from stemsep.data.augment import AugmentConfig, Timing, coloured, draw_colour, draw_timing
from stemsep.errors import ParameterError
from tests.signals import noise

RATE = 8000
NONE = {"swap_channels": 0.0, "flip_polarity": 0.0, "speed": 0.0}
PROBABILITIES = (
    "swap_channels flip_polarity mono speed pitch tempo eq high_pass low_pass compress reverb"
).split()
TIMING = ("speed", "pitch", "tempo")
COLOURS = [name for name in PROBABILITIES if name not in TIMING]


def timings(count=300, **config):
    rng = np.random.default_rng(0)
    drawn = [draw_timing(rng, AugmentConfig(**{**NONE, **config})) for _ in range(count)]
    return np.array([timing.pitch for timing in drawn]), np.array([t.tempo for t in drawn])


def heard(waveform, *, seed=0, **config):
    settings = AugmentConfig(**{**NONE, **config})
    colour = draw_colour(np.random.default_rng(seed), settings, sample_rate=RATE)
    return coloured(waveform, colour, sample_rate=RATE)


def test_nothing_asked_for_changes_nothing():
    waveform = noise(2, 1000)
    assert np.array_equal(heard(waveform), waveform)
    assert draw_timing(np.random.default_rng(0), AugmentConfig(**NONE)) == Timing()


def test_speed_moves_pitch_and_tempo_by_one_factor_over_its_range():
    pitch, tempo = timings(speed=1.0, speed_range=(0.5, 2.0))
    assert np.array_equal(pitch, tempo)
    assert 0.5 <= pitch.min() < 0.52
    assert 1.9 < pitch.max() <= 2.0
    assert np.mean(pitch < 1) == pytest.approx(0.5, abs=0.1)  # an octave down, an octave up


def test_pitch_and_tempo_change_without_each_other():
    pitch, tempo = timings(pitch=1.0, pitch_semitones=4.0)
    assert (tempo == 1).all()
    assert -4 <= 12 * np.log2(pitch.min()) < -3.8
    assert 3.8 < 12 * np.log2(pitch.max()) <= 4
    pitch, tempo = timings(tempo=1.0, tempo_range=(0.9, 1.5))
    assert (pitch == 1).all()
    assert 0.9 <= tempo.min() < 0.92
    assert 1.47 < tempo.max() <= 1.5


@pytest.mark.parametrize("name", TIMING)
def test_timing_changes_as_often_as_asked_for(name):
    pitch, tempo = timings(1000, **{name: 0.3})
    # The standard deviation of this mean is 0.0145.
    assert np.mean((pitch != 1) | (tempo != 1)) == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_changes_a_stem_as_often_as_asked_for(name):
    waveform = noise(2, 400)
    assert not np.array_equal(heard(waveform, **{name: 1.0}), waveform)
    changed = [
        not np.array_equal(heard(waveform, seed=seed, **{name: 0.4}), waveform)
        for seed in range(400)
    ]
    # The standard deviation of this mean is 0.0245.
    assert np.mean(changed) == pytest.approx(0.4, abs=0.1)


def test_the_same_draw_sounds_the_same_and_what_is_given_is_left_alone():
    waveform = noise(2, 4000)
    before = waveform.copy()
    everything = dict.fromkeys(COLOURS, 1.0)
    one, same = heard(waveform, **everything), heard(waveform, **everything)
    assert np.array_equal(one, same)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert not np.array_equal(one, heard(waveform, seed=1, **everything))
    assert np.array_equal(waveform, before)


@pytest.mark.parametrize("samples", [1, 50])
def test_silence_and_a_few_samples_pass(samples):
    everything = dict.fromkeys(COLOURS, 1.0)
    assert not heard(np.zeros((2, samples), np.float32), **everything).any()
    assert heard(noise(2, samples), **everything).shape == (2, samples)


def test_channels_are_swapped_turned_and_put_in_the_middle():
    waveform = noise(2, 100)
    assert np.array_equal(heard(waveform, swap_channels=1.0), waveform[::-1])
    assert np.array_equal(heard(waveform, flip_polarity=1.0), -waveform)
    middle = heard(waveform, mono=1.0)
    assert np.allclose(middle, waveform.mean(0), atol=1e-7)  # float32


def test_the_equaliser_stays_in_its_range():
    # White noise in, so the spectrum out is the equaliser's: three bands of 6 dB at most.
    waveform = np.zeros((2, 8192), np.float32)
    waveform[:, 0] = 1
    for seed in range(10):
        gain_db = 20 * np.log10(np.abs(np.fft.rfft(heard(waveform, seed=seed, eq=1.0)[0])))
        assert np.abs(gain_db).max() < 18.1
        assert np.abs(gain_db).max() > 0.5


@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(name, value):
    with pytest.raises(ParameterError, match=f"{name} = .*probability"):
        AugmentConfig(**{name: value})


@pytest.mark.parametrize("value", [(0, 1), (1.2, 0.8), (-1, 1), (1, float("nan"))])
@pytest.mark.parametrize(
    "name", "speed_range tempo_range high_pass_hz low_pass_hz compress_ratio reverb_seconds".split()
)
def test_an_impossible_range_is_refused(name, value):
    with pytest.raises(ParameterError, match=rf"{name} = .*give \(lowest, highest\)"):
        AugmentConfig(**{name: value})


def test_more_stretching_than_sounds_like_music_is_refused():
    with pytest.raises(ParameterError, match=r"pitch_semitones = 13"):
        AugmentConfig(pitch_semitones=13)
    with pytest.raises(ParameterError, match=r"tempo_range = \(0\.5, 1\.0\).*more than twice"):
        AugmentConfig(tempo_range=(0.5, 1.0))
