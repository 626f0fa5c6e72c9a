import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.errors import ParameterError
from stemsep.evaluation.measures import log_spectral_distance, si_sdr, silent_energy_db
from tests.signals import noise, tone

RATE = 8000
# Sums of float64 in another order.
ROUNDING_DB = 1e-9


def stereo(left):
    return np.stack([left, left])[None]


def silent_energy(**pair):
    return silent_energy_db(**pair, sample_rate=RATE)


def test_si_sdr_of_orthogonal_noise_at_a_known_level():
    sound = stereo(tone(1000, samples=RATE, sample_rate=RATE))
    other = stereo(tone(2000, samples=RATE, sample_rate=RATE))
    found = si_sdr(estimate=3 * sound + 0.3 * other, reference=sound)
    assert found == pytest.approx(20, abs=1e-6)


@given(gain=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_si_sdr_does_not_see_the_level_of_the_estimate(gain, seed):
    reference = noise(2, 500, seed=seed)[None].astype(np.float64)
    estimate = reference + noise(2, 500, seed=seed + 1)[None]
    same = si_sdr(estimate=gain * estimate, reference=reference)
    assert same == pytest.approx(si_sdr(estimate=estimate, reference=reference), abs=ROUNDING_DB)


@pytest.mark.parametrize("level_db", [40, 60, 120])
def test_si_sdr_of_a_near_copy_is_not_rounding(level_db):
    sound = stereo(tone(1000, samples=RATE, sample_rate=RATE).astype(np.float64))
    other = stereo(tone(2000, samples=RATE, sample_rate=RATE).astype(np.float64))
    found = si_sdr(estimate=sound + 10 ** (-level_db / 20) * other, reference=sound)
    assert found == pytest.approx(level_db, abs=1e-4)


def test_si_sdr_of_a_copy_is_infinite_and_of_silence_not_a_number():
    reference = noise(2, 500)[None]
    silence = np.zeros_like(reference)
    assert si_sdr(estimate=reference, reference=reference)[0] == np.inf
    assert np.isnan(si_sdr(estimate=silence, reference=reference)).all()
    assert np.isnan(si_sdr(estimate=reference, reference=silence)).all()


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 3.0])
def test_a_change_of_level_is_that_spectral_distance(gain_db):
    reference = noise(2, 3 * RATE)[None].astype(np.float64)
    found = log_spectral_distance(estimate=reference * 10 ** (gain_db / 20), reference=reference)
    # A few of the frequencies of a noise are near the floor.
    assert found == pytest.approx(abs(gain_db), abs=0.01)


def test_spectral_distance_of_a_copy_is_zero_at_any_length():
    for samples in (700, 2048, 2559, 200_000):
        reference = noise(2, samples)[None]
        assert log_spectral_distance(estimate=reference, reference=reference) == 0


def test_spectral_distance_sees_no_pause():
    reference = noise(2, 8 * 2048)[None].astype(np.float64)
    estimate = 0.5 * reference
    expected = log_spectral_distance(estimate=estimate, reference=reference)
    pause = np.zeros((1, 2, 8 * 2048))
    longer = {"reference": np.concatenate([reference, pause, reference], axis=-1)}
    longer["estimate"] = 0.5 * longer["reference"]
    # The frames at the edges hold both.
    assert log_spectral_distance(**longer) == pytest.approx(expected, abs=0.2)
    assert np.isnan(log_spectral_distance(estimate=estimate, reference=0 * reference)).all()


def test_silence_instead_of_sound_has_a_finite_spectral_distance():
    reference = noise(2, 3 * RATE)[None]
    found = log_spectral_distance(estimate=0 * reference, reference=reference)
    assert 20 < found[0] < 100


@pytest.mark.parametrize("level_db", [-12.0, -48.0])
def test_sound_in_a_pause_is_measured_and_that_elsewhere_is_not(level_db):
    reference = noise(2, 4 * RATE)[None].astype(np.float64)
    estimate = reference.copy()
    reference[..., RATE : 3 * RATE] = 0
    # The mean square of a sine of amplitude a is a² / 2.
    bleed = tone(1000, samples=2 * RATE, sample_rate=RATE, amplitude=np.sqrt(2))
    estimate[..., RATE : 3 * RATE] = bleed * 10 ** (level_db / 20)
    found = silent_energy(estimate=estimate, reference=reference)
    assert found == pytest.approx(level_db, abs=ROUNDING_DB)


def test_a_silent_estimate_in_a_pause_is_at_the_floor():
    silence = np.zeros((1, 2, RATE))
    assert silent_energy(estimate=silence, reference=silence) == -100


def test_a_stem_that_never_pauses_has_no_sound_in_pauses():
    reference = noise(2, RATE)[None]
    assert np.isnan(silent_energy(estimate=reference, reference=reference)).all()


@pytest.mark.parametrize("measure", [si_sdr, log_spectral_distance, silent_energy])
def test_each_stem_is_measured_alone(measure):
    reference = np.stack([noise(2, 40_000, seed=i) for i in range(3)])
    reference[:, :, :9000] = 0
    estimate = reference + 0.1 * np.stack([noise(2, 40_000, seed=i + 9) for i in range(3)])
    together = measure(estimate=estimate, reference=reference)
    alone = [
        measure(estimate=estimate[i : i + 1], reference=reference[i : i + 1]) for i in range(3)
    ]
    assert np.allclose(together, np.concatenate(alone), atol=ROUNDING_DB)
    assert len(set(together)) == 3


@pytest.mark.parametrize("measure", [si_sdr, log_spectral_distance, silent_energy])
def test_shapes_that_differ_are_refused(measure):
    with pytest.raises(ParameterError, match="of one shape"):
        measure(estimate=np.ones((4, 2, 99)), reference=np.ones((4, 2, 100)))
