import numpy as np
import pytest
from scipy import signal

from stemsep.data import effects
from tests.signals import noise, tone

RATE = 16_000


def gain_db(sections, hz):
    response = signal.sosfreqz(sections, [hz], fs=RATE)[1]
    return 20 * np.log10(np.abs(response[0]))


def level(waveform):
    return np.sqrt(np.mean(waveform**2))


@pytest.mark.parametrize("db", [-9.0, 6.0])
def test_a_peak_has_its_gain_at_its_centre_and_none_far_away(db):
    section = effects.peak(hz=1000, gain_db=db, q=1.0, sample_rate=RATE)
    assert gain_db(section, 1000) == pytest.approx(db, abs=1e-6)
    assert gain_db(section, 10) == pytest.approx(0, abs=0.05)
    assert gain_db(section, 7900) == pytest.approx(0, abs=0.05)


def test_passes_fall_by_twelve_db_an_octave_and_by_three_at_their_corner():
    high = effects.high_pass(hz=1000, sample_rate=RATE)
    low = effects.low_pass(hz=1000, sample_rate=RATE)
    for section, inside, outside in ((high, 4000, 125), (low, 125, 4000)):
        assert gain_db(section, 1000) == pytest.approx(-3.01, abs=0.01)
        assert gain_db(section, inside) == pytest.approx(0, abs=0.1)
        assert gain_db(section, outside) < -23.9


def test_a_corner_above_half_the_sample_rate_leaves_the_sound():
    section = effects.low_pass(hz=16_000, sample_rate=RATE)
    assert gain_db(section, 4000) == pytest.approx(0, abs=0.1)


def test_a_peak_above_half_the_sample_rate_is_stable():
    section = effects.peak(hz=12_000, gain_db=6.0, q=0.4, sample_rate=RATE)
    heard = effects.filtered(noise(2, 20_000), section)
    assert np.abs(heard).max() < 3
    assert gain_db(section, 50) == pytest.approx(0, abs=0.1)


def test_filtering_a_tone_gives_the_gain_of_the_filter():
    sections = effects.peak(hz=1000, gain_db=6.0, q=1.0, sample_rate=RATE)
    wave = np.tile(tone(1000, samples=RATE, sample_rate=RATE), (2, 1)).astype(np.float32)
    louder = effects.filtered(wave, np.concatenate([sections, sections]))
    ratio = level(louder[:, 2000:]) / level(wave[:, 2000:])
    assert 20 * np.log10(ratio) == pytest.approx(12, abs=0.01)


def test_compression_brings_loud_and_quiet_nearer_at_the_same_level():
    wave = noise(2, 2 * RATE)
    wave[:, :RATE] *= 0.1
    result = effects.compress(wave, ratio=4.0, sample_rate=RATE)
    before = level(wave[:, RATE:]) / level(wave[:, :RATE])
    after = level(result[:, RATE:]) / level(result[:, :RATE])
    # Only the second half is above the mean, by 3 dB and the peaks: 20 dB apart become fewer.
    assert 0.5 * before < after < 0.9 * before
    assert level(result) == pytest.approx(level(wave), rel=1e-4)


def test_a_limiter_keeps_the_peaks_below_the_ceiling_and_the_rest_as_it_is():
    wave = 0.1 * noise(2, RATE)
    wave[:, 8000:8010] = 0.9
    gain = effects.limiter_gain(wave, ceiling=0.3, sample_rate=RATE)
    assert np.abs(gain * wave).max() <= 0.3 + 1e-6  # float32
    assert np.allclose(gain[:7800], 1, atol=1e-6)
    assert np.allclose(gain[8200:], 1, atol=1e-6)
    assert np.abs(np.diff(gain)).max() < 0.02  # no clicks


def test_a_room_has_its_level_and_its_decay_and_comes_after_the_sound():
    click = np.zeros((2, 2 * RATE), np.float32)
    click[:, 1000] = 1
    options = {"seconds": 1.0, "sample_rate": RATE}
    room = effects.reverberate(click, level_db=-6.0, rng=np.random.default_rng(0), **options)
    assert np.abs(room[:, :1000]).max() < 1e-6  # the FFT's rounding
    assert room[:, 1000] == pytest.approx(1, abs=1e-5)
    tail = room[:, 1001:]
    assert 10 * np.log10((tail**2).sum(-1)) == pytest.approx(-6, abs=0.01)
    early, late = level(tail[:, :800]), level(tail[:, 8000:8800])
    assert 20 * np.log10(early / late) == pytest.approx(30, abs=2)  # half of 60 dB in half a second
    assert not np.allclose(tail[0], tail[1], atol=1e-4)
