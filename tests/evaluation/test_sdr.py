import numpy as np
import pytest

from stemsep.errors import ParameterError
from stemsep.evaluation.sdr import frame_sdr, mean_scores, median_frame_sdr, track_sdr
from tests.evaluation.museval_metrics import museval_scores

RATE = 2000
# Float64 sums in another order, and museval's filters are solved for numerically.
MUSEVAL_DB = 1e-6
ROUNDING_DB = 1e-9


def bss_eval(*, estimate, reference):
    pair = {"estimates": estimate, "references": reference}
    return museval_scores(**pair, window=RATE, hop=RATE, filter_length=4)[0]


def stems(samples, *, seed=0, count=4):
    rng = np.random.default_rng(seed)
    return rng.normal(scale=0.1, size=(count, 2, samples)).astype(np.float32)


def estimates(reference, *, seed=1):
    rng = np.random.default_rng(seed)
    level = 10 ** rng.uniform(-2, 0.5, size=(len(reference), 1, 1))
    return (reference + level * stems(reference.shape[-1], seed=seed)).astype(np.float32)


def ours(**pair):
    return frame_sdr(**pair, sample_rate=RATE)


def orthogonal_noise(reference, level_db):
    # Left and right exchanged, one of them turned: at right angles to each second of each stem.
    seconds = reference.reshape(*reference.shape[:2], -1, RATE)
    turned = np.stack([seconds[:, 1], -seconds[:, 0]], axis=1)
    return (turned * 10 ** (level_db / 20)).reshape(reference.shape)


@pytest.mark.parametrize("level_db", [-40.0, -6.0, 0.0, 12.0])
def test_noise_at_a_known_level_gives_that_many_decibels(level_db):
    reference = stems(3 * RATE).astype(np.float64)
    pair = {"estimate": reference + orthogonal_noise(reference, level_db), "reference": reference}
    assert np.allclose(ours(**pair), -level_db, atol=ROUNDING_DB)
    assert np.allclose(median_frame_sdr(**pair, sample_rate=RATE), -level_db, atol=ROUNDING_DB)
    # The 1e-7 beside an energy of 240 and an error of at least 0.024 is below 2e-5 dB.
    assert np.allclose(track_sdr(**pair), -level_db, atol=2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_frames_are_those_of_museval(seed):
    reference = stems(3 * RATE, seed=seed)
    pair = {"estimate": estimates(reference, seed=seed + 10), "reference": reference}
    assert np.allclose(ours(**pair), bss_eval(**pair), rtol=0, atol=MUSEVAL_DB)


@pytest.mark.parametrize("samples", [RATE // 3, RATE, RATE + 1, 2 * RATE - 1, 5 * RATE // 2])
def test_lengths_that_are_no_whole_seconds_are_cut_as_museval_cuts_them(samples):
    reference = stems(samples)
    pair = {"estimate": estimates(reference), "reference": reference}
    frames = ours(**pair)
    assert frames.shape == (4, max(1, samples // RATE))
    assert np.allclose(frames, bss_eval(**pair), rtol=0, atol=MUSEVAL_DB)


@pytest.mark.parametrize("which", ["estimate", "reference"])
@pytest.mark.parametrize("kind", ["zeros", "opposite channels"])
def test_a_second_in_which_any_stem_is_silent_is_nan_for_all_as_in_museval(which, kind):
    reference = stems(3 * RATE)
    pair = {"estimate": estimates(reference), "reference": reference}
    second = pair[which][2, :, RATE : 2 * RATE]
    second[1] = 0 if kind == "zeros" else -second[0]
    second[0] = 0 if kind == "zeros" else second[0]
    expected = bss_eval(**pair)
    assert np.isnan(expected).sum() == 4
    assert np.allclose(ours(**pair), expected, rtol=0, atol=MUSEVAL_DB, equal_nan=True)


def test_a_stem_that_is_silent_throughout_makes_everything_nan():
    reference = stems(2 * RATE)
    pair = {"estimate": estimates(reference), "reference": reference}
    pair["estimate"][1] = 0
    assert np.isnan(ours(**pair)).all()
    assert np.isnan(median_frame_sdr(**pair, sample_rate=RATE)).all()


def test_the_median_leaves_out_seconds_that_do_not_count():
    reference = stems(4 * RATE).astype(np.float64)
    noisy = reference + np.concatenate(
        [orthogonal_noise(reference[..., i * RATE : (i + 1) * RATE], -10.0 * i) for i in range(4)],
        axis=-1,
    )
    noisy[..., :RATE] = reference[..., :RATE]  # perfect: infinite
    reference[2, :, RATE : 2 * RATE] = 0
    pair = {"estimate": noisy, "reference": reference}
    assert np.isinf(ours(**pair)[:, 0]).all()
    assert np.allclose(median_frame_sdr(**pair, sample_rate=RATE), 25, atol=ROUNDING_DB)


def test_a_perfect_estimate_of_a_track_is_limited_by_the_small_term_alone():
    reference = np.ones((1, 2, 50))
    perfect = track_sdr(estimate=reference, reference=reference)
    assert perfect == pytest.approx(10 * np.log10((100 + 1e-7) / 1e-7), abs=ROUNDING_DB)


def test_track_sdr_is_its_formula_with_the_small_term():
    reference, estimate = np.full((1, 2, 50), 1e-5), np.full((1, 2, 50), 3e-5)
    # Energies of 1e-8 and 4e-8: the 1e-7 is what decides.
    expected = 10 * np.log10((1e-8 + 1e-7) / (4e-8 + 1e-7))
    found = track_sdr(estimate=estimate, reference=reference)
    assert found == pytest.approx(expected, abs=ROUNDING_DB)


def test_track_sdr_of_silence_is_zero():
    silence = np.zeros((2, 2, 50), np.float32)
    assert (track_sdr(estimate=silence, reference=silence) == 0).all()


@pytest.mark.parametrize("measure", [ours, track_sdr])
def test_estimate_and_reference_cannot_be_confused(measure):
    reference = stems(RATE)
    estimate = 2 * reference
    assert np.allclose(measure(estimate=estimate, reference=reference), 0, atol=1e-5)
    assert np.allclose(measure(estimate=reference, reference=estimate), 6.0206, atol=1e-4)
    with pytest.raises(TypeError, match="positional"):
        measure(estimate, reference)


@pytest.mark.parametrize("measure", [ours, track_sdr])
@pytest.mark.parametrize("shape", [(4, 2, 99), (4, 1, 100), (1, 2, 100), (2, 100)])
def test_shapes_that_differ_are_refused(measure, shape):
    with pytest.raises(ParameterError, match="of one shape"):
        measure(estimate=np.ones(shape), reference=np.ones((4, 2, 100)))


@pytest.mark.parametrize("measure", [ours, track_sdr])
@pytest.mark.parametrize("shape", [(2, 100), (4, 2, 0)])
def test_what_is_no_set_of_stems_is_refused(measure, shape):
    with pytest.raises(ParameterError, match="at least one sample"):
        measure(estimate=np.ones(shape), reference=np.ones(shape))


def test_scores_of_a_set_are_the_median_of_medians_and_the_mean_of_whole_tracks():
    rng = np.random.default_rng(0)
    tracks = []
    for noise_level in (0.1, 0.2, 0.9):
        reference = rng.normal(size=(2, 2, 3000))
        estimate = reference + noise_level * rng.normal(size=reference.shape)
        tracks.append((estimate, reference, 1000))
    scores = mean_scores(tracks)
    frames = [median_frame_sdr(estimate=e, reference=r, sample_rate=s) for e, r, s in tracks]
    whole = [track_sdr(estimate=e, reference=r) for e, r, _ in tracks]
    assert np.array_equal(scores["museval SDR"], np.median(frames, axis=0))
    assert np.array_equal(scores["uSDR"], np.mean(whole, axis=0))
