"""Time and memory of the same network: Open-Unmix 1.3.0 against stemsep, on random weights.

python benchmarks/openunmix.py [--package FOLDER] [--seconds 60,240]

FOLDER is what has to be on Python's path for `import openunmix` to work beside stemsep's torch;
without it stemsep is measured alone, and not with --exact, so that songs may be long.
Whole programs, from a WAV to four WAVs, one after the other.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from programs import measured

from stemsep.models import OpenUnmix, OpenUnmixConfig

THEIRS = """
import sys, soundfile, torch
from openunmix.model import OpenUnmix, Separator
iterations, stems = int(sys.argv[1]), ("vocals", "drums", "bass", "other")
targets = {}
for stem in stems:
    targets[stem] = OpenUnmix(nb_bins=2049, hidden_size=512, max_bin=1487)
    targets[stem].load_state_dict(torch.load(f"published/{stem}.pth", weights_only=True))
separator = Separator(targets, niter=iterations).eval()
song, rate = soundfile.read("song.wav", dtype="float32")
with torch.no_grad():
    made = separator(torch.from_numpy(song.T)[None])[0]
for stem, waveform in zip(stems, made):
    soundfile.write(f"{stem}.wav", waveform.numpy().T, rate)
"""


@click.command()
@click.option("--package", type=click.Path(exists=True, path_type=Path))
@click.option("--seconds", default="60,240", show_default=True, help="Lengths of the songs.")
def main(package: Path | None, seconds: str) -> None:
    """Print a Markdown table."""
    torch.manual_seed(0)
    network = OpenUnmix(OpenUnmixConfig())
    stemsep = [sys.executable, "-m", "stemsep"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "published").mkdir()
        for stem, part in zip(network.config.stems, network.networks, strict=True):
            torch.save(part.state_dict(), folder / "published" / f"{stem}.pth")
        path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(package or "")])
        environment = {"PYTHONPATH": path.strip(os.pathsep), "PYTHONWARNINGS": "ignore"}
        imported = [*stemsep, "models", "import", "published", "-o", "m.safetensors"]
        measured(imported, folder, environment)
        ours = [*stemsep, "separate", "--model", "m.safetensors", "--overwrite", "song.wav"]
        theirs = [sys.executable, "-c", THEIRS]
        commands = {
            "openunmix 1.3.0, without filter": [*theirs, "0"],
            "openunmix 1.3.0, its default": [*theirs, "1"],
            "stemsep --exact": [*ours, "--exact"],
            "stemsep": ours,
        }
        if package is None:
            commands = {"stemsep": ours}
        click.echo(
            "| song, s | command | wall, s | CPU, s | peak, MiB | wall ratio | memory ratio |"
        )
        click.echo("| --- | --- | --- | --- | --- | --- | --- |")
        for length in map(int, seconds.split(",")):
            noise = np.random.default_rng(0).standard_normal((length * 44100, 2)) * 0.1
            soundfile.write(folder / "song.wav", noise, 44100)
            base: tuple[float, float, float] | None = None
            for title, command in commands.items():
                wall, cpu, peak = used = measured(command, folder, environment)
                base = base or used
                click.echo(
                    f"| {length} | {title} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} | "
                    f"{base[0] / wall:.2f} | {base[2] / peak:.2f} |"
                )


if __name__ == "__main__":
    main()
