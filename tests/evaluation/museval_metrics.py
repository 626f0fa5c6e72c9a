"""museval's arithmetic, where it is installed: importing the package needs the ffmpeg program."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


def museval_scores(
    *,
    estimates: NDArray[np.floating],
    references: NDArray[np.floating],
    window: int,
    hop: int,
    filter_length: int,
    framewise_filters: bool = False,
) -> NDArray[np.float64]:
    """Return SDR, ISR, SIR, SAR of museval: ``(4, stems, frames)``; skip the test without it."""
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        pytest.skip("museval is not installed")
    spec = importlib.util.spec_from_file_location(
        "museval_metrics", Path(package.origin).with_name("metrics.py")
    )
    assert spec is not None
    assert spec.loader is not None
    metrics = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(metrics)
    swapped = [x.astype(np.float64).transpose(0, 2, 1) for x in (references, estimates)]
    scores = metrics.bss_eval(
        *swapped,
        window=window,
        hop=hop,
        filters_len=filter_length,
        framewise_filters=framewise_filters,
    )
    return np.stack(scores[:4])
