"""Networks, losses, data and augmentations on equal terms: one change to `fast` at a time.

    python benchmarks/study.py --data DIR -o FOLDER [--only NAME ...] [--picture FILE]

Trains each variant with `stemsep train`: the recipe of `fast` with some other values, for as many
steps of half its batch. What is interrupted goes on, what is finished is not made again. Then
measures how fast each one separates, and prints quality and speed in a table. One short run each:
differences below 0.1 dB are chance, and what pays only after thousands of steps does not show.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import tomli_w
import torch

from stemsep.cli.memory import keep_freed_memory
from stemsep.models.cost import gmac_per_second
from stemsep.plotting.figure import new_figure, save_figure
from stemsep.separation import Separator
from stemsep.training.recipe_file import find_recipe
from stemsep.training.tables import with_setting

SETTINGS = ("train.batch_size=4", "train.learning_rate=2e-3", "train.validate_every=10000")
"""Of all variants."""

NO_FRAMES = "network.unet.frame_width=0"
VARIANTS = {
    "as it is": (),
    # The network; widths are such that the work stays about the same.
    "plain blocks": ("network.unet.block='double'",),
    "residual blocks": ("network.unet.block='residual'",),
    "no vectors of whole frames": (NO_FRAMES,),
    "an LSTM over whole frames": ("network.unet.frame_sequence='lstm'",),
    "attention over whole frames": ("network.unet.frame_sequence='attention'",),
    "nothing along time": (NO_FRAMES, "network.unet.time_dilations=[]"),
    "4 sub-bands": ("network.unet.subbands=4", "network.unet.channels=[10, 20, 40, 76]"),
    "16 sub-bands": ("network.unet.subbands=16", "network.unet.channels=[22, 45, 90, 158]"),
    "sigmoid": ("network.unet.head='sigmoid'",),
    "complex masks": ("network.unet.head='complex_tanh'",),
    "window of 2048, hop of 512": (
        *("network.stft.n_fft=2048", "network.stft.hop_length=512", "frames=192"),
        *("network.n_bins=1024", "network.unet.freq_bins=1024", "network.unet.subbands=8"),
    ),
    "left and right alone": ("network.features='left_right'", "network.unet.in_channels=2"),
    # The loss.
    "loss: L1": ("loss.log_l2=0.0", "loss.complex_l1=1.0"),
    "loss: L1 of magnitudes": ("loss.log_l2=0.0", "loss.complex_l1=0.0", "loss.magnitude_l1=1.0"),
    # What it learns from.
    "no remixes": ("remix.remix=0.0",),
    "no speed, pitch, equaliser": ("augment.speed=0.0", "augment.pitch=0.0", "augment.eq=0.0"),
    "without MUSDB18": ("-musdb18-7-folders",),
    "without the multitracks": ("-multitracks",),
    "without Music Delta": ("-music-delta",),
    "without songs from notes": ("-synthetic",),
}
"""What to call it, and the settings; ``-NAME`` takes that source out."""

SECONDS = 30
"""Of the sound whose separation is timed."""

MARKS = "*osD^v<>PXhp"
"""Of the variants in a picture, in turn."""


class Result(NamedTuple):
    """One variant's."""

    name: str
    scores: dict[str, float]
    gmac: float
    real_time_factor: float


def write_recipe(path: Path, settings: Sequence[str]) -> None:
    """Write the recipe of a variant."""
    recipe: dict[str, Any] = tomllib.loads(find_recipe(Path("fast")).read_text())
    for setting in settings:
        if setting.startswith("-"):
            kept = [
                s for s in recipe["sources"] if setting[1:] not in (s.get("path"), s.get("kind"))
            ]
            recipe["sources"] = kept
        else:
            with_setting(recipe, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(recipe))


def train(recipe: Path, data: Path, threads: int) -> None:
    """Train a variant, into the folder beside its recipe."""
    command = [sys.executable, "-m", "stemsep", "train", str(recipe), "--data", str(data)]
    command += ["-o", str(recipe.with_suffix("")), "--threads", str(threads), "--quiet"]
    subprocess.run(command, check=True)


def result(name: str, run: Path, steps: int) -> Result | None:
    """Return what a finished run has come to."""
    if not (run / "log.json").exists():
        return None
    last = json.loads((run / "log.json").read_text())[-1]
    if last["step"] < steps:
        return None
    separator = Separator.from_pretrained(run / "last.safetensors")
    song = torch.randn(2, SECONDS * 44_100, generator=torch.Generator().manual_seed(0)) / 10
    seconds = []
    for _ in range(4):  # the first warms up
        started = time.perf_counter()
        separator.separate(song, 44_100)
        seconds.append(time.perf_counter() - started)
    return Result(name, last, gmac_per_second(separator.config), min(seconds[1:]) / SECONDS)


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a picture: quality against speed, a mark for each."""
    figure = new_figure(width=9, height=5)
    axes = figure.subplots()
    for number, found in enumerate(results):
        place = (1 / found.real_time_factor, found.scores["usdr"])
        axes.plot(*place, MARKS[number % len(MARKS)], label=found.name, markersize=8, alpha=0.8)
    axes.set_xlabel("times real time, on this machine")
    axes.set_ylabel("uSDR on the validation songs, dB")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")
    save_figure(figure, path)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--only", type=click.Choice(list(VARIANTS)), multiple=True, help="Train these.")
@click.option("--no-training", is_flag=True, help="Show what is there.")
@click.option("--steps", default=300, show_default=True)
@click.option("--threads", default=2, show_default=True, help="Of the training.")
@click.option("--picture", type=click.Path(path_type=Path), help="PNG to draw.")
def main(
    data: Path,
    output: Path,
    only: tuple[str, ...],
    no_training: bool,
    steps: int,
    threads: int,
    picture: Path | None,
) -> None:
    """Print a Markdown table."""
    runs = {name: output / name.replace(" ", "-").replace(":", "") for name in VARIANTS}
    for name in () if no_training else only or VARIANTS:
        recipe = runs[name].with_suffix(".toml")
        write_recipe(recipe, (*SETTINGS, f"train.steps={steps}", *VARIANTS[name]))
        train(recipe, data, threads)
    keep_freed_memory()
    found = [result(name, run, steps) for name, run in runs.items()]
    results = [one for one in found if one]
    stems = ("vocals", "drums", "bass", "other")
    click.echo("| | uSDR, dB | museval SDR | " + " | ".join(stems) + " | GMAC/s | × real time |")
    click.echo("|" + " --- |" * (len(stems) + 5))
    for one in results:
        numbers = [one.scores["usdr"], one.scores["score"], *(one.scores[stem] for stem in stems)]
        told = [f"{number:.2f}" for number in (*numbers, one.gmac)]
        click.echo(f"| {one.name} | {' | '.join(told)} | {1 / one.real_time_factor:.0f} |")
    if picture and results:
        draw(results, picture)


if __name__ == "__main__":
    main()
