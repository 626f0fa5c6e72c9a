import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.data.synthetic.mixing import CEILING, active_rms, master, mix_stem, placed
from tests.signals import noise

RATE = 44_100


def test_pauses_do_not_count_for_the_level():
    waveform = noise(2, RATE)
    with_pause = np.concatenate([waveform, np.zeros((2, 3 * RATE), np.float32)], axis=1)
    assert active_rms(with_pause, RATE) == pytest.approx(active_rms(waveform, RATE), rel=1e-3)
    assert active_rms(np.zeros((2, RATE), np.float32), RATE) == 0


@given(seed=st.integers(0, 1000), role=st.sampled_from(["vocals", "bass", "chords", "double"]))
def test_parts_and_stems_have_one_level(seed, role):
    rng = np.random.default_rng(seed)
    part = placed(0.01 * noise(2, RATE), role, rng, RATE)
    assert 0.8 < active_rms(part, RATE) < 1.5
    stem = mix_stem("other", [(role, part)], tempo=120, sample_rate=RATE, rng=rng)
    assert active_rms(stem, RATE) == pytest.approx(1, rel=1e-3)


def test_silence_stays_silence():
    silence = np.zeros((2, RATE), np.float32)
    rng = np.random.default_rng(0)
    assert not placed(silence, "pad", rng, RATE).any()
    assert not mix_stem("other", [("pad", silence)], tempo=90, sample_rate=RATE, rng=rng).any()
    assert not master({"vocals": silence, "bass": silence}, RATE, rng)["bass"].any()


@given(seed=st.integers(0, 1000))
def test_the_master_turns_all_stems_by_one_gain_below_the_ceiling(seed):
    stems = {"a": 3 * noise(2, RATE, seed=seed), "b": 2 * noise(2, RATE, seed=seed + 1)}
    mastered = master(stems, RATE, np.random.default_rng(seed))
    gain = mastered["a"] / stems["a"]
    np.testing.assert_allclose(mastered["b"], gain * stems["b"], atol=1e-5)
    assert np.abs(sum(mastered.values())).max() <= CEILING + 1e-4
    assert all(np.abs(waveform).max() <= CEILING + 1e-4 for waveform in mastered.values())
