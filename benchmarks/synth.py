"""How fast songs are made from notes, in times real time on one core, and how they compare.

python benchmarks/synth.py [--tracks 8] [--seconds 30] [--samples FOLDER] [--like FOLDER]

With ``--like``, a folder of songs with stems, it also prints levels and spectra of both.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np
from scipy.signal import stft

from stemsep.data.folder import read_folder
from stemsep.data.synthetic import find_samples, make_song, song_seed
from stemsep.data.track import STEMS, Track


@click.command()
@click.option("--tracks", default=8, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--samples", multiple=True, type=click.Path(path_type=Path))
@click.option("--like", type=click.Path(path_type=Path))
def main(tracks: int, seconds: float, samples: Sequence[Path], like: Path | None) -> None:
    """Print Markdown tables."""
    library = find_samples(samples) if samples else None
    make_song(0, seconds=1.0, samples=library)  # imports
    made, times = [], []
    for number in range(tracks):
        started = time.process_time()
        made.append(make_song(song_seed(0, number), seconds=seconds, samples=library))
        times.append(time.process_time() - started)
    speeds = seconds / np.array(times)
    click.echo(
        f"{tracks} songs of {seconds:g} s: {seconds * tracks / sum(times):.1f} x real time on one "
        f"core (slowest song {speeds.min():.1f}, fastest {speeds.max():.1f})\n"
    )
    if like is not None:
        click.echo(
            "| songs | stem | RMS re mixture, dB | centroid, Hz | crest, dB | side/mid, dB |"
        )
        click.echo("| --- | --- | --- | --- | --- | --- |")
        print_levels("real", read_folder(like))
        print_levels("made", made)


def print_levels(name: str, tracks: Iterable[Track]) -> None:
    rows: dict[str, list[list[float]]] = {stem: [] for stem in STEMS}
    for track in tracks:
        whole = track.whole(STEMS)
        power = np.mean(whole.sum(0) ** 2) + 1e-12
        for stem, waveform in zip(STEMS, whole, strict=True):
            if np.mean(waveform**2) > 1e-7:
                rows[stem].append([10 * np.log10(np.mean(waveform**2) / power), *shape(waveform)])
    for stem, values in rows.items():
        low, middle, high = np.percentile(np.array(values), [10, 50, 90], axis=0)
        cells = [f"{m:.0f} ({a:.0f} to {b:.0f})" for a, m, b in zip(low, middle, high, strict=True)]
        click.echo(f"| {name} | {stem} | {' | '.join(cells)} |")


def shape(waveform: np.ndarray) -> list[float]:
    frequencies, _, spectrum = stft(waveform.mean(0), 44_100, nperseg=2048)
    magnitude = np.abs(spectrum).mean(1)
    rms = np.sqrt(np.mean(waveform**2))
    middle, side = waveform.sum(0), waveform[0] - waveform[1]
    return [
        float((frequencies * magnitude).sum() / magnitude.sum()),
        float(20 * np.log10(np.abs(waveform).max() / rms)),
        float(10 * np.log10((np.mean(side**2) + 1e-9) / (np.mean(middle**2) + 1e-9))),
    ]


if __name__ == "__main__":
    main()
