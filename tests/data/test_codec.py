import numpy as np
import pytest

from stemsep.data.codec import CODECS, recode
from tests.signals import noise

RATE = 44_100


def music(samples=RATE):
    # Noise with little above 2 kHz, as codecs are made for.
    return 20 * np.cumsum(noise(2, samples) - noise(2, samples).mean(1, keepdims=True), 1) / 400


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_loses_some_more_at_fewer_bits_and_keeps_in_step(codec):
    wave = music().astype(np.float32)
    wave /= np.abs(wave).max()
    losses = []
    for kbps in (48, 192):
        heard = recode(wave, codec=codec, kbps=kbps, sample_rate=RATE)
        assert heard.shape == wave.shape
        assert heard.dtype == np.float32
        error = ((heard - wave) ** 2).sum() / (wave**2).sum()
        losses.append(10 * np.log10(error))
    # One sample out of step would alone cost more than the codec.
    assert -80 < losses[1] < losses[0] < -15


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_louder_than_full_scale_stays_so(codec):
    wave = (4 * music() / np.abs(music()).max()).astype(np.float32)
    heard = recode(wave, codec=codec, kbps=192, sample_rate=RATE)
    assert ((heard - wave) ** 2).sum() < 0.01 * (wave**2).sum()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("samples", [1, 700])
def test_short_sounds_and_silence_pass(codec, samples):
    assert recode(noise(2, samples), codec=codec, kbps=128, sample_rate=RATE).shape == (2, samples)
    silence = np.zeros((2, samples), np.float32)
    assert np.abs(recode(silence, codec=codec, kbps=128, sample_rate=RATE)).max() < 1e-3


def test_a_rate_that_a_codec_does_not_have_leaves_the_sound():
    wave = noise(2, 1000)
    assert np.array_equal(recode(wave, codec="mp3", kbps=64, sample_rate=12_345), wave)
