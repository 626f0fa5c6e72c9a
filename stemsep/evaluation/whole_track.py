"""All measures over a whole track, by name."""

from __future__ import annotations

import math

import numpy as np

from stemsep.evaluation.measures import log_spectral_distance, si_sdr, silent_energy_db
from stemsep.evaluation.sdr import track_sdr
from stemsep.evaluation.stems import Stems

__all__ = ["whole_track_measures"]


def whole_track_measures(
    *, estimates: Stems, references: Stems, spectral: bool
) -> dict[str, dict[str, float]]:
    """Return stem -> measure -> value in dB; NaN where it has none, and where it is infinite.

    Args:
        estimates: of the shape of the references.
        references: the true stems.
        spectral: with the log-spectral distance, which takes as long as BSSEval.
    """
    rate = references.sample_rate
    found = {
        "uSDR": track_sdr(estimate=estimates, reference=references),
        "SI-SDR": si_sdr(estimate=estimates, reference=references),
        "energy in pauses": silent_energy_db(
            estimate=estimates, reference=references, sample_rate=rate
        ),
    }
    if spectral:
        distance = log_spectral_distance(estimate=estimates, reference=references)
        found["log-spectral distance"] = distance
    return {
        stem: {
            name: float(values[i]) if np.isfinite(values[i]) else math.nan
            for name, values in found.items()
        }
        for i, stem in enumerate(references.names)
    }
