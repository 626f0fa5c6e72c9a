"""All measures over a whole track, by name."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from stemsep.evaluation.measures import (
    log_spectral_distance,
    pause_samples,
    si_sdr,
    si_sdr_sums,
    silent_energy_db,
    silent_energy_sums,
)
from stemsep.evaluation.sdr import track_sdr, track_sdr_sums
from stemsep.evaluation.stems import Stems
from stemsep.evaluation.waveforms import BlockSums, block_totals

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
    length = pause_samples(references, references.sample_rate)
    sums: list[BlockSums] = [
        track_sdr_sums,
        si_sdr_sums,
        partial(silent_energy_sums, length=length),
    ]
    # One pass: to turn the sound into floats takes as long as to measure it.
    totals = block_totals(sums, estimates, references, multiple=length)
    pair: dict[str, Any] = {"estimate": estimates, "reference": references}
    values = {
        "uSDR": track_sdr(**pair, totals=totals[0]),
        "SI-SDR": si_sdr(**pair, totals=totals[1]),
        "energy in pauses": silent_energy_db(
            **pair, sample_rate=references.sample_rate, totals=totals[2]
        ),
    }
    if spectral:
        values["log-spectral distance"] = log_spectral_distance(**pair)
    return {
        stem: {
            name: float(of_stems[i]) if np.isfinite(of_stems[i]) else math.nan
            for name, of_stems in values.items()
        }
        for i, stem in enumerate(references.names)
    }
