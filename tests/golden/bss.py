"""What museval 0.4.1 gives for some made signals.

    python -m tests.golden.bss

writes `bss.json` beside this file; tests/evaluation/test_bss.py runs it where museval is
installed. Nothing but another version of museval, or other cases, may change the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.museval_metrics import museval_scores

FILE = Path(__file__).with_suffix(".json")
RATE = 500
TAPS = 32

Case = tuple[NDArray[np.float64], NDArray[np.float64], dict[str, int | bool]]


def signals(seed: int, *, stems: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return estimates with an echo, leakage and noise, and references of a falling spectrum."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(scale=0.1, size=(stems, 2, 5 * RATE // 2)))
    references = np.fft.irfft(spectrum / (1 + np.arange(spectrum.shape[-1]) / 50))
    noise = rng.normal(scale=0.01, size=references.shape)
    echo = np.roll(references, 5, axis=-1)
    return references + 0.3 * echo + 0.2 * references[::-1] + noise, references


def stereo() -> Case:
    return *signals(1), {}


def framewise() -> Case:
    return *signals(2, stems=2), {"framewise_filters": True}


def overlapping() -> Case:
    return *signals(3), {"window": 2 * RATE, "hop": RATE // 4}


def silence() -> Case:
    estimates, references = signals(4)
    references[1, :, RATE : 2 * RATE] = 0
    return estimates, references, {}


CASES: dict[str, Callable[[], Case]] = {
    case.__name__: case for case in (stereo, framewise, overlapping, silence)
}


def compute() -> dict[str, list[list[list[float]]]]:
    """Return case -> SDR, ISR, SIR, SAR, each ``(stems, frames)``."""
    results = {}
    for name, case in CASES.items():
        estimates, references, given = case()
        options = {"window": RATE, "hop": RATE, "filter_length": TAPS, **given}
        scores = museval_scores(estimates=estimates, references=references, **options)
        results[name] = scores.tolist()
    return results


if __name__ == "__main__":
    FILE.write_text(json.dumps(compute(), indent=1) + "\n")
