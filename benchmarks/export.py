"""What onnxruntime brings: whole commands with torch, ONNX and int8, their memory and their scores.

python benchmarks/export.py [SONG] [--seconds 10,30,180] [--valid FOLDER-OF-STEM-FILES]

int8 is onnxruntime's static quantisation of convolutions and matrix products, calibrated on the
example song; the script makes it, stemsep does not. Each time is the best of ``--repeats``; in
brackets are seconds of CPU time, which other work on the machine changes less.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import onnx
import soundfile
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from stemsep import Separator
from stemsep.audio import read_audio
from stemsep.data.musdb import VALID_TRACKS, read_stem_files
from stemsep.data.shipped import shipped_folder
from stemsep.dsp import stft
from stemsep.evaluation.sdr import mean_scores
from stemsep.models import network_input
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import read_card
from stemsep.weights.export import export


class Chunks(CalibrationDataReader):
    """Gives the magnitudes of the example song, chunk by chunk."""

    def __init__(self, frames: int = 128) -> None:
        config, _ = read_card(find_checkpoint("default"))
        waveform, _ = read_audio(shipped_folder("data") / "example.ogg")
        spectrum = stft(torch.from_numpy(waveform)[None], config.stft)
        magnitude = network_input(spectrum, config).numpy()
        starts = range(0, magnitude.shape[-1] - frames, frames)
        self.rest = [np.ascontiguousarray(magnitude[..., s : s + frames]) for s in starts]

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next chunk, or None after the last."""
        return {"magnitude": self.rest.pop()} if self.rest else None


def quantised(source: Path, path: Path) -> Path:
    quantize_static(
        source,
        path,
        Chunks(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "ConvTranspose", "MatMul"],
    )
    model = onnx.load(path)
    about = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    onnx.helper.set_model_props(model, about)
    onnx.save(model, path)
    return path


def timed(song: Path, model: str, folder: str) -> tuple[float, float, float]:
    """Return the seconds of a whole command, of CPU time, and the most memory in MB."""
    command = [sys.executable, "-m", "stemsep", "separate", str(song), "--model", model]
    command += ["-o", folder, "--overwrite", "--quiet", "--precision", "fp32"]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def scores(model: str, valid: Path) -> tuple[float, float]:
    separator = Separator.from_pretrained(model, precision="fp32")
    results = []
    for track in read_stem_files(valid, names=VALID_TRACKS):
        stems = separator.separate(track.mixture, track.sample_rate)
        estimate = np.stack([stems[name].numpy() for name in separator.stems])
        results.append((estimate, track.whole(separator.stems), track.sample_rate))
    means = mean_scores(iter(results))
    return float(means["museval SDR"].mean()), float(means["uSDR"].mean())


@click.command()
@click.argument("song", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--seconds", default="10,30,180", show_default=True)
@click.option("--repeats", default=2, show_default=True)
@click.option("--valid", type=click.Path(path_type=Path, exists=True))
def main(song: Path | None, seconds: str, repeats: int, valid: Path | None) -> None:
    """Print Markdown tables."""
    waveform, rate = read_audio(song or shipped_folder("data") / "example.ogg")
    lengths = [int(part) for part in seconds.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exported = folder / "default.onnx"
        export(find_checkpoint("default"), exported, "onnx")
        small = quantised(exported, folder / "int8.onnx")
        click.echo(
            f"files: onnx {exported.stat().st_size / 1e6:.1f} MB, "
            f"int8 {small.stat().st_size / 1e6:.1f} MB"
        )
        for program in ("import torch", "import onnxruntime", "import numpy"):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            click.echo(f"python -c '{program}': {time.perf_counter() - started:.2f} s")
        click.echo(
            f"| network | {' | '.join(f'{n} s' for n in lengths)} | memory, MB | SDR, uSDR |"
        )
        click.echo("| --- |" + " --- |" * (len(lengths) + 2))
        models = {"torch": "default", "onnx": str(exported), "int8": str(small)}
        times = {model: [(np.inf, np.inf)] * len(lengths) for model in models}
        memory = dict.fromkeys(models, 0.0)
        for i, length in enumerate(lengths):
            path = folder / f"{length}.wav"
            repeated = np.tile(waveform, -(-length * rate // waveform.shape[1]))
            soundfile.write(path, repeated[:, : length * rate].T, rate)
            for _ in range(repeats):
                for model, given in models.items():
                    took, computed, held = timed(path, given, name)
                    times[model][i] = min(times[model][i], (took, computed))
                    memory[model] = max(memory[model], held)
        for model, given in models.items():
            quality = "{:.3f}, {:.3f}".format(*scores(given, valid)) if valid else "-"
            cells = " | ".join(f"{t:.1f} ({cpu:.1f})" for t, cpu in times[model])
            click.echo(f"| {model} | {cells} | {memory[model]:.0f} | {quality} |")


if __name__ == "__main__":
    main()
