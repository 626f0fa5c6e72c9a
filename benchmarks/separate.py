"""`stemsep separate` against Spleeter 2.4.2 on the same three minutes, whole commands in turn.

    python benchmarks/separate.py [--spleeter PROGRAM --spleeter-models FOLDER] [--runs 2]

Prints the ratio, which part of the time after loading the network is computing, and its speed
against that of a plain convolution in the same run. Spleeter is not part of this project: install
it into an environment of its own (`pip install spleeter==2.4.2`) and give its program, and a folder
with `4stems/`, such as `python tests/golden/spleeter/make_checkpoint.py FOLDER --models 4stems`
writes (random weights take as long as trained ones).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from programs import measured

RATE = 44_100
CHANNELS = 64
"""Of the plain convolution: about what the network's are."""


def write_song(path: Path, seconds: int) -> None:
    """Write chords, a bass and noise bursts, different on both sides, as 16-bit WAV."""
    time_s = np.arange(seconds * RATE) / RATE
    generator = np.random.default_rng(42)
    bursts = generator.standard_normal((2, len(time_s))) * (time_s % 0.5 < 0.05)
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220, 277, 330, 440))
    bass = np.sin(2 * np.pi * 55 * time_s)
    song = 0.05 * np.stack([chord, np.roll(chord, 4410)]) + 0.2 * bass + 0.1 * bursts
    soundfile.write(path, song.T, RATE, subtype="PCM_16")


def run(name: str, command: list[str], folder: Path, **environment: str) -> float:
    """Run a command, print what it took, and return its seconds."""
    elapsed, busy, peak = measured(command, folder, environment)
    click.echo(f"{name}: {elapsed:.1f} s, {busy:.1f} s of processors, at most {peak:.0f} MiB")
    return elapsed


def convolution_gmac_per_second(precision: str) -> float:
    """Return the best speed of a 3x3 convolution, as the network has them."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    layer = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(dtype)
    layer.to(memory_format=torch.channels_last)
    features = torch.randn(1, CHANNELS, 128, 512, dtype=dtype)
    features = features.to(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        for _ in range(8):
            started = time.perf_counter()
            layer(features)
            seconds.append(time.perf_counter() - started)
    return features.numel() * CHANNELS * 9 / min(seconds) / 1e9


def report_network(report: dict, seconds: int) -> None:
    """Print what the report of a run says about the network."""
    from stemsep.models import gmac_per_second
    from stemsep.separation.chunking import ChunkConfig
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.checkpoint import read_card

    factor = report["files"][0]["real_time_factor"]
    share = factor["network"] / factor["total"]
    chunks = ChunkConfig()
    again = chunks.frames / chunks.core_frames  # frames that two chunks see are computed twice
    cost = gmac_per_second(read_card(find_checkpoint(report["model"]["name"]))[0]) * again
    speed = cost / factor["network"]
    peak = convolution_gmac_per_second(report["precision"])
    click.echo(f"network: {100 * share:.0f} % of the time after loading ({seconds} s of sound)")
    click.echo(
        f"network: {speed:.1f} GMAC/s in {report['precision']}, a plain convolution {peak:.1f} "
        f"({100 * speed / peak:.0f} %)"
    )


@click.command()
@click.option("--spleeter", help="Spleeter's program.")
@click.option("--spleeter-models", type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="default", show_default=True)
@click.option("--seconds", default=180, show_default=True)
@click.option("--runs", default=2, show_default=True, help="Of each, in turn; the best counts.")
def main(
    spleeter: str | None, spleeter_models: Path | None, model: str, seconds: int, runs: int
) -> None:
    """Time both programs on one song."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        song, report = folder / "song.wav", folder / "report.json"
        write_song(song, seconds)
        ours = [sys.executable, "-m", "stemsep", "separate", str(song), "--model", model]
        ours += ["-o", f"{folder}/ours", "--overwrite", "-q", "--report", str(report)]
        times: dict[str, list[float]] = {"stemsep": [], "spleeter": []}
        for _ in range(runs):
            times["stemsep"].append(run("stemsep", ours, folder))
            if spleeter and spleeter_models:
                theirs = [
                    str(Path(shutil.which(spleeter) or spleeter).absolute()),
                    "separate",
                    "-p",
                    "spleeter:4stems",
                    "-o",
                    f"{folder}/theirs",
                ]
                (spleeter_models / "4stems" / ".probe").touch()
                theirs.append(str(song))
                models = str(spleeter_models.resolve())
                times["spleeter"].append(run("spleeter", theirs, folder, MODEL_PATH=models))
        if times["spleeter"]:
            ratio = min(times["spleeter"]) / min(times["stemsep"])
            click.echo(f"stemsep is {ratio:.1f} times as fast, whole commands")
        report_network(json.loads(report.read_text("utf-8")), seconds)


if __name__ == "__main__":
    main()
