"""What lands in each stem of sounds that belong into one stem or none, in dB(A) below the sound.

python benchmarks/leakage.py [SOUND ...] [--model default]
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import librosa
import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from stemsep import Separator
from stemsep.audio import read_audio
from stemsep.cli.memory import keep_freed_memory

RATE, SECONDS = 44_100, 10


def weighted_level(waveform: NDArray[np.float32], rate: int) -> float:
    """Return the A-weighted RMS (IEC 61672) of ``(channels, samples)``, in dB."""
    n_fft = scipy.fft.next_fast_len(waveform.shape[1], real=True)  # silence after it adds nothing
    spectrum = scipy.fft.rfft(waveform, n_fft)
    weights = librosa.db_to_amplitude(
        librosa.A_weighting(np.maximum(np.fft.rfftfreq(n_fft, 1 / rate), 1), min_db=None)
    )
    power = (np.abs(spectrum * weights) ** 2).sum() / n_fft / waveform.size
    return float(10 * np.log10(2 * power + 1e-20))


def made() -> Iterator[tuple[str, NDArray[np.float32], int]]:
    time = np.arange(RATE * SECONDS) / RATE
    noise = np.random.default_rng(0).standard_normal((2, len(time)))
    tones = {f"tone of {hz} Hz": np.sin(2 * np.pi * hz * time)[None] for hz in (110, 1000)}
    for name, sound in {**tones, "white noise": noise, "silence": 0 * noise}.items():
        yield name, np.broadcast_to(0.1 * sound, (2, len(time))).astype(np.float32), RATE


@click.command()
@click.argument("sounds", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="default", show_default=True)
def main(sounds: tuple[Path, ...], model: str) -> None:
    """Print a Markdown table."""
    separator = Separator.from_pretrained(model)
    names = separator.config.stems
    click.echo("| sound | " + " | ".join(names) + " |")
    click.echo("| --- |" + " --- |" * len(names))
    given = ((f"{path.parent.name}/{path.stem}", *read_audio(path)) for path in sounds)
    for name, waveform, rate in (*given, *made()):
        stems = separator.separate(torch.from_numpy(waveform), rate)
        whole = weighted_level(waveform, rate)
        cells = [
            f"{weighted_level(stems[stem].numpy(), rate) - whole:.1f}"
            if stems[stem].any()
            else "digital silence"
            for stem in names
        ]
        click.echo(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    keep_freed_memory()
    main()
