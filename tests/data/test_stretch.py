import numpy as np
import pytest

from stemsep.data.stretch import source_samples, stretch
from tests.signals import tone

RATE, SAMPLES = 44_100, 44_100


def played(wave, pitch, tempo):
    stereo = np.stack([wave, 0.5 * wave]).astype(np.float32)
    given = stereo[:, : source_samples(SAMPLES, tempo=tempo)]
    return stretch(given, pitch=pitch, tempo=tempo, sample_rate=RATE, samples=SAMPLES)


def glide():
    # 300 Hz at first, 300 Hz more each second.
    time = np.arange(3 * SAMPLES) / RATE
    return np.sin(2 * np.pi * (300 * time + 150 * time**2))


def frequency(piece):
    padded = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 2 * RATE))  # a bin is half a Hz
    return np.argmax(padded) / 2


CHANGES = [(1.0, 0.8), (1.0, 1.25), (1.2, 1.0), (0.84, 1.0), (1.1, 1.1), (1.1, 0.8), (0.9, 1.2)]


@pytest.mark.parametrize(("pitch", "tempo"), CHANGES)
def test_the_pitch_changes_by_its_factor_alone(pitch, tempo):
    heard = played(tone(440, samples=3 * SAMPLES), pitch, tempo)
    assert frequency(heard[0]) == pytest.approx(440 * pitch, abs=1.5)


@pytest.mark.parametrize(("pitch", "tempo"), CHANGES)
def test_the_tempo_changes_by_its_factor_alone(pitch, tempo):
    heard = played(glide(), pitch, tempo)[0]
    rise = frequency(heard[-8000:]) - frequency(heard[:8000])
    seconds = (SAMPLES - 8000) / RATE
    assert rise / seconds == pytest.approx(300 * tempo * pitch, rel=0.04)


@pytest.mark.parametrize(("pitch", "tempo"), CHANGES)
def test_the_result_is_filled_to_its_end_in_both_channels(pitch, tempo):
    heard = played(tone(440, samples=3 * SAMPLES), pitch, tempo)
    assert heard.shape == (2, SAMPLES)
    assert heard.dtype == np.float32
    assert np.abs(heard[0, -200:]).max() > 0.3
    assert np.allclose(heard[1], 0.5 * heard[0], atol=1e-6)


def test_without_change_the_sound_stays():
    wave = tone(440, samples=3 * SAMPLES)
    assert np.array_equal(played(wave, 1.0, 1.0)[0], wave[:SAMPLES].astype(np.float32))


def test_what_is_too_short_ends_in_silence():
    short = np.ones((2, 1000), np.float32)
    heard = stretch(short, pitch=1.0, tempo=0.8, sample_rate=RATE, samples=SAMPLES)
    assert heard.shape == (2, SAMPLES)
    assert not heard[:, 3000:].any()
