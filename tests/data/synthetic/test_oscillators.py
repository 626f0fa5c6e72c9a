import numpy as np
import pytest

from stemsep.data.synthetic.oscillators import Patch, patch_tone, shaped_noise
from stemsep.data.synthetic.patches import FAMILIES, SUITING

RATE = 44_100

HARMONIC = sorted(set(FAMILIES) - {"bell"})
"""A bell's loudest partial need not be its fundamental."""


def tone(patch, *, pitch=57, seconds=0.5, velocity=0.8, seed=0):
    rng = np.random.default_rng(seed)
    return patch_tone(
        patch, pitch=pitch, seconds=seconds, velocity=velocity, sample_rate=RATE, rng=rng
    )


def spectrum(wave):
    windowed = wave.mean(0) * np.hanning(wave.shape[1])
    return np.abs(np.fft.rfft(windowed, 8 * RATE)) ** 2  # an eighth of a hertz a bin


def centroid(wave):
    power = np.sqrt(spectrum(wave))
    return float((np.arange(len(power)) * power).sum() / power.sum() / 8)


@pytest.mark.parametrize("family", HARMONIC)
def test_energy_lies_at_multiples_of_the_pitch(family):
    patch = FAMILIES[family](np.random.default_rng(1))
    power = spectrum(tone(patch))
    hz = np.arange(len(power)) / 8
    off = np.abs((hz + 110) % 220 - 110)  # away from the nearest multiple of a3
    near = off < 12 + hz * 0.02  # detune and vibrato grow with frequency
    assert power[near & (hz > 100)].sum() > 0.7 * power.sum()


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("pitch", [24, 60, 108])
def test_tones_are_finite_and_of_like_level(family, pitch):
    wave = tone(FAMILIES[family](np.random.default_rng(2)), pitch=pitch)
    assert wave.dtype == np.float32
    assert wave.shape[1] == RATE // 2
    assert 0.01 < np.abs(wave).max() < 8


def test_nothing_is_folded_back_at_nyquist():
    # The partials of a bright, high saw would alias to below its fundamental.
    power = spectrum(tone(Patch(), pitch=100))
    hz = np.arange(len(power)) / 8
    fundamental = 440 * 2 ** ((100 - 69) / 12)
    assert power[hz < 0.9 * fundamental].sum() < 1e-6 * power.sum()


def test_soft_notes_are_duller():
    patch = Patch(cutoff_hz=2000, sweep_octaves=2)
    assert centroid(tone(patch, velocity=0.3)) < 0.8 * centroid(tone(patch, velocity=1.0))


def test_strings_lose_their_highs_first():
    wave = tone(Patch(shape="pluck", decay=1.0, damping=0.1), seconds=2.0)
    assert centroid(wave[:, RATE:]) < 0.7 * centroid(wave[:, : RATE // 4])
    assert np.abs(wave[:, -RATE // 4 :]).max() < 0.5 * np.abs(wave).max()


def test_several_oscillators_are_spread_between_the_sides():
    wave = tone(Patch(unison=3, detune_cents=15))
    assert wave.shape[0] == 2
    assert np.corrcoef(wave)[0, 1] < 0.99


def test_every_role_has_families_that_exist():
    assert {family for families in SUITING.values() for family in families} == set(FAMILIES)


def test_shaped_noise_lies_in_its_band():
    noise = shaped_noise(RATE, RATE, np.random.default_rng(0), low_hz=1000, high_hz=2000, slope=4.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1, rel=1e-3)
    assert power[800:2500].sum() > 0.9 * power.sum()
