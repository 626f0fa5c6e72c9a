"""All measures over a whole track, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

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
    pair: dict[str, Any] = {"estimate": estimates, "reference": references}
    measures: dict[str, Callable[..., Any]] = {
        "uSDR": track_sdr,
        "SI-SDR": si_sdr,
        "energy in pauses": partial(silent_energy_db, sample_rate=references.sample_rate),
    }
    if spectral:
        measures["log-spectral distance"] = log_spectral_distance
    with ThreadPoolExecutor() as pool:
        found = {name: pool.submit(measure, **pair) for name, measure in measures.items()}
    values = {name: future.result() for name, future in found.items()}
    return {
        stem: {
            name: float(of_stems[i]) if np.isfinite(of_stems[i]) else math.nan
            for name, of_stems in values.items()
        }
        for i, stem in enumerate(references.names)
    }
