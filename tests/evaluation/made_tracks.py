"""Small tracks on disk: true stems, and estimates with a known amount of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 4000
STEMS = ("vocals", "drums")
THREE = ("vocals", "drums", "other")


def waves(samples: int, *, seed: int, channels: int = 1) -> NDArray[np.float64]:
    """Return noise ``(samples, channels)``."""
    return np.random.default_rng(seed).normal(scale=0.1, size=(samples, channels))


def write_stems(
    folder: Path, stems: Mapping[str, NDArray[np.floating]], *, ending: str = "wav", **options: str
) -> Path:
    """Write ``(samples, channels)`` of each stem as ``FOLDER/STEM.ending``."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, wave in stems.items():
        soundfile.write(folder / f"{stem}.{ending}", wave, RATE, **options)
    return folder


def write_pair(
    root: Path,
    tracks: Sequence[str] = ("One", "Two"),
    *,
    noise_db: float = -10.0,
    seconds: float = 3.0,
    stems: Sequence[str] = STEMS,
    estimates: str = "estimates",
) -> tuple[Path, Path]:
    """Write ``root/references/TRACK`` and ``root/estimates/TRACK``; return the two folders.

    The error of an estimate is noise of the stems' own level plus ``noise_db``.
    """
    samples = int(seconds * RATE)
    for number, track in enumerate(tracks):
        truth = {stem: waves(samples, seed=10 * number + i) for i, stem in enumerate(stems)}
        error = {
            stem: 10 ** (noise_db / 20) * waves(samples, seed=500 + 10 * number + i)
            for i, stem in enumerate(stems)
        }
        write_stems(root / "references" / track, truth)
        write_stems(root / estimates / track, {s: truth[s] + error[s] for s in stems})
    return root / "references", root / estimates
