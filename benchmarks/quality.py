"""Score a network on MUSDB18's validation tracks, beside a floor and a ceiling.

    python benchmarks/quality.py MUSDB_FOLDER [--model default] [--json FILE]

MUSDB_FOLDER holds `.stem.mp4` files. The floor is a quarter of the mixture as each stem, the
ceiling the ideal magnitude ratio mask at 4096/1024. All are measured in the same run, by the
public `Separator`, with the files' own mixture stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from stemsep import Separator
from stemsep.data.musdb import VALID_TRACKS, read_stem_files
from stemsep.data.track import STEMS, Track
from stemsep.dsp import STFTConfig, istft, stft
from stemsep.evaluation.sdr import mean_scores

Estimator = Callable[[Track], NDArray[np.float32]]


def quarter(track: Track) -> NDArray[np.float32]:
    return np.stack([track.mixture / len(STEMS)] * len(STEMS))


def ideal_mask(track: Track) -> NDArray[np.float32]:
    config = STFTConfig(n_fft=4096, hop_length=1024)
    magnitude = stft(torch.from_numpy(track.whole(STEMS)), config).abs()
    masks = magnitude / (magnitude.sum(0) + 1e-10)
    masked = masks * stft(torch.from_numpy(track.mixture), config)
    return istft(masked, config, length=track.samples).numpy()


def network(separator: Separator) -> Estimator:
    def estimate(track: Track) -> NDArray[np.float32]:
        stems = separator.separate(track.mixture, track.sample_rate)
        return np.stack([stems[stem].numpy() for stem in STEMS])

    return estimate


def score(tracks: list[Track], estimator: Estimator) -> dict[str, dict[str, float]]:
    """Return measure -> stem -> dB: median of medians (museval SDR), mean (uSDR)."""
    results = mean_scores((estimator(t), t.whole(STEMS), t.sample_rate) for t in tracks)
    return {measure: with_mean(values) for measure, values in results.items()}


def with_mean(values: NDArray[np.float64]) -> dict[str, float]:
    named = dict(zip(STEMS, values.tolist(), strict=True))
    return {"mean": float(np.mean(values)), **named}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="default", show_default=True)
@click.option("--precision", default="auto", show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(folder: Path, model: str, precision: str, json_file: Path | None) -> None:
    """Print a Markdown table of scores in dB on the validation tracks in FOLDER."""
    tracks = read_stem_files(folder, names=VALID_TRACKS)
    separator = Separator.from_pretrained(model, precision=precision)
    results = {
        "mixture / 4": score(tracks, quarter),
        f"{model} ({separator.precision})": score(tracks, network(separator)),
        "ideal ratio mask": score(tracks, ideal_mask),
    }
    click.echo(f"{len(tracks)} tracks; median over frames of 1 s and over tracks; mean over tracks")
    for measure in ("museval SDR", "uSDR"):
        click.echo(f"\n| {measure}, dB | mean | {' | '.join(STEMS)} |\n| --- |{' --- |' * 5}")
        for name, scores in results.items():
            values = " | ".join(f"{v:.2f}" for v in scores[measure].values())
            click.echo(f"| {name} | {values} |")
    if json_file:
        json_file.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
