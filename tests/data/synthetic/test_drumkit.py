import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemsep.data.synthetic.drumkit import DRUMS, draw_kit, stroke
from stemsep.data.synthetic.score import PERCUSSION

RATE = 44_100


def hit(sound, *, seed=0, velocity=0.8, take=0):
    kit = draw_kit(np.random.default_rng(seed))
    return stroke(kit, sound, velocity=velocity, take=take, sample_rate=RATE)


def centroid(wave):
    power = np.abs(np.fft.rfft(wave)) ** 2
    return (np.fft.rfftfreq(len(wave), 1 / RATE) * power).sum() / power.sum()


def test_every_sound_has_a_drum():
    assert DRUMS.keys() == PERCUSSION.keys()


@settings(max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_kicks_are_lower_than_snares_and_snares_than_hats(seed):
    kick, snare, hat = (centroid(hit(s, seed=seed)) for s in ("kick", "snare", "hihat_closed"))
    assert kick < 400
    assert kick < snare < hat
    assert hat > 4000


@pytest.mark.parametrize("sound", sorted(DRUMS))
def test_strokes_begin_at_once_peak_at_one_and_end(sound):
    wave = hit(sound)
    assert wave.dtype == np.float32
    assert np.abs(wave).max() == pytest.approx(1)
    assert np.argmax(np.abs(wave) > 0.1) < 0.05 * RATE
    assert np.abs(wave[-len(wave) // 20 :]).max() < 0.2


def test_no_two_takes_are_alike_but_each_can_be_repeated():
    assert np.array_equal(hit("snare", take=1), hit("snare", take=1))
    assert not np.array_equal(hit("snare", take=1), hit("snare", take=2))


def test_open_hats_ring_longer():
    assert len(hit("hihat_open")) > 2 * len(hit("hihat_closed"))
