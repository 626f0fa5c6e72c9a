"""How far `bss_eval` is from museval on MUSDB18's validation tracks, in dB.

    python benchmarks/bss_parity.py MUSDB_FOLDER [--model default]

MUSDB_FOLDER holds `train` with its `.stem.mp4` files; estimates are the model's and those of the
ideal ratio mask. Each figure is the worst frame of the worst stem; frames that are NaN in one but
not in the other would be an error. museval takes about ten seconds for each clip and estimate.
"""

from __future__ import annotations

from pathlib import Path

import click
import museval
import numpy as np
from numpy.typing import NDArray

from stemsep.evaluation.bss import bss_eval
from stemsep.evaluation.loading import load_track
from stemsep.evaluation.request import Request, find_systems, find_tracks
from stemsep.evaluation.systems import estimate


def differences(
    estimates: NDArray[np.float32], references: NDArray[np.float32], rate: int
) -> tuple[NDArray[np.float64], bool]:
    """Return the worst differences of SDR, ISR, SIR, SAR, and whether the track is singular."""
    scores = bss_eval(estimates=estimates, references=references, sample_rate=rate)
    ours = np.stack([scores.sdr, scores.isr, scores.sir, scores.sar])
    pair = (w.astype(np.float64).swapaxes(1, 2) for w in (references, estimates))
    theirs = np.stack(museval.evaluate(*pair, win=rate, hop=rate))
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        raise click.ClickException("NaN in different frames")
    finite = np.isfinite(theirs)
    return np.where(finite, np.abs(ours - theirs), 0).max(axis=(1, 2)), scores.singular


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="default", show_default=True)
def main(folder: Path, model: str) -> None:
    """Print a Markdown table."""
    request = Request(musdb=folder, subset="valid", models=[model], oracles=["irm1"])
    systems = find_systems(request)
    click.echo("| track | mono stems | estimate | SDR | ISR | SIR | SAR |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for files in find_tracks(request):
        track = load_track(files, mixture=True)
        references = track.references[..., :]
        mono = [
            stem
            for stem, (left, right) in zip(track.references.names, references, strict=True)
            if np.array_equal(left, right)
        ]
        for system in systems:
            stems = estimate(system, files, track).select(track.references.names)
            estimates = stems.fitted(track.references)[..., :]
            worst, singular = differences(estimates, references, track.references.sample_rate)
            if singular != bool(mono):
                raise click.ClickException(f"{files.name}: singular = {singular}")
            figures = " | ".join(f"{value:.1e}" for value in worst)
            click.echo(f"| {files.name} | {', '.join(mono)} | {system.label} | {figures} |")


if __name__ == "__main__":
    main()
