import numpy as np
import pytest

from stemsep.evaluation.oracle import ideal_estimates
from stemsep.evaluation.sdr import track_sdr
from stemsep.evaluation.stems import stems_of
from tests.signals import noise, tone

KINDS = ("irm1", "irm2", "ibm", "mwf")
# Float32 transforms of sounds of level 0.1 to 0.5.
ROUNDING = 2e-5


def references(**waveforms):
    return stems_of({name: [w.astype(np.float32)] for name, w in waveforms.items()}, rate=44_100)


def scores(stems, kind):
    mixture = stems.summed({"mixture": stems.names}).whole("mixture")
    found = ideal_estimates(stems, mixture, kind=kind)
    assert list(found) == list(stems.names)
    estimate = np.stack(list(found.values()))
    return estimate, track_sdr(estimate=estimate, reference=stems[..., :])


@pytest.mark.parametrize("kind", KINDS)
def test_sounds_that_share_no_bin_are_given_back(kind):
    high, low = (np.tile(tone(hz, samples=30_000), (2, 1)) for hz in (4000, 200))
    _, sdr = scores(references(a=high, b=low), kind)
    assert (sdr > 40).all()


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_sum_to_the_mixture(kind):
    stems = references(a=noise(2, 20_000, seed=1), b=noise(2, 20_000, seed=2))
    estimate, _ = scores(stems, kind)
    assert np.allclose(estimate.sum(0), stems[..., :].sum(0), atol=ROUNDING)


def test_what_is_ideal_beats_an_even_share():
    stems = references(a=noise(2, 20_000, seed=1), b=noise(2, 20_000, seed=2))
    even = track_sdr(estimate=stems[..., :].sum(0)[None].repeat(2, 0) / 2, reference=stems[..., :])
    for kind in KINDS[:3]:
        assert (scores(stems, kind)[1] > even + 1).all(), kind


def test_the_binary_mask_gives_each_bin_to_the_louder():
    stems = references(a=noise(1, 9000), b=0.1 * noise(1, 9000, seed=3))
    mixture = stems.summed({"mixture": stems.names}).whole("mixture")
    found = ideal_estimates(stems, mixture, kind="ibm")
    # The louder has nearly all bins, and with them of the mixture what is not its own.
    assert (found["a"] ** 2).sum() > 0.95 * (mixture**2).sum()


def test_ratios_of_powers_leave_less_of_the_other_than_ratios_of_magnitudes():
    stems = references(a=noise(1, 9000), b=0.25 * noise(1, 9000, seed=3))
    mixture = stems.summed({"mixture": stems.names}).whole("mixture")
    weak = {kind: ideal_estimates(stems, mixture, kind=kind)["b"] for kind in ("irm1", "irm2")}
    assert (weak["irm2"] ** 2).sum() < 0.6 * (weak["irm1"] ** 2).sum()


def test_the_wiener_filter_tells_stems_apart_by_their_place():
    # White noises of equal level: only left against right can tell them apart.
    left, right = (noise(1, 20_000, seed=seed) for seed in (1, 2))
    stems = references(a=np.concatenate([left, 0 * left]), b=np.concatenate([0 * right, right]))
    assert (scores(stems, "mwf")[1] > 60).all()
    # and with panning a mask of one channel cannot undo
    panned = references(
        a=np.concatenate([left, 0.5 * left]), b=np.concatenate([0.5 * right, right])
    )
    assert (scores(panned, "mwf")[1] > scores(panned, "irm2")[1] + 3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silence(kind):
    stems = references(a=np.zeros((2, 5000)), b=np.zeros((2, 5000)))
    estimate, _ = scores(stems, kind)
    assert (estimate == 0).all()
