import numpy as np

from stemsep.training.pictures import GAP, HEIGHT, spectrogram_pair
from tests.signals import tone

RATE = 16_000


def stereo(hz, amplitude=0.5, samples=RATE):
    wave = tone(hz, samples=samples, sample_rate=RATE, amplitude=amplitude)
    return np.stack([wave, wave]).astype(np.float32)


def test_a_tone_is_a_bright_line_at_its_height_in_both_halves():
    picture = spectrogram_pair(estimate=stereo(2000), reference=stereo(6000), sample_rate=RATE)
    assert picture.shape[0] == 2 * HEIGHT + GAP
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    middle = picture[:, picture.shape[1] // 2, 0]
    estimate, reference = middle[:HEIGHT], middle[HEIGHT + GAP :]
    # 8 kHz are at the top, 0 at the bottom.
    assert abs(np.argmax(estimate) - 0.75 * HEIGHT) <= 1
    assert abs(np.argmax(reference) - 0.25 * HEIGHT) <= 1
    assert estimate.max() >= 254
    assert np.median(estimate) == 0


def test_both_halves_have_one_scale_and_silence_is_black():
    pair = {"estimate": stereo(2000, 0.005), "reference": stereo(2000)}  # 40 dB apart
    picture = spectrogram_pair(**pair, sample_rate=RATE)[..., 0]
    assert abs(int(picture[:HEIGHT, 20].max()) - 128) <= 3
    silence = np.zeros((2, 300), np.float32)
    dark = spectrogram_pair(estimate=silence, reference=silence, sample_rate=RATE)
    assert dark.shape[0] == 2 * HEIGHT + GAP
