"""Peak memory of `stemsep separate` on a short and a long song, in several formats.

python benchmarks/memory.py [--minutes 3,60] [--case wav --case pipe ...]

Each song is a minute of chords and noise over and over. A whole command is measured, bash with the
programs that it starts. The stems of an hour take 2.6 GB.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import soundfile
from programs import measured
from separate import RATE, write_song

STEMSEP = shlex.join([sys.executable, "-m", "stemsep", "separate", "-q", "--overwrite"])
CASES = {
    "wav": ("16-bit WAV, 44.1 kHz", "song.wav", f"{STEMSEP} song.wav -o stems"),
    "pipe": ("the same from a pipe", "song.wav", f"cat song.wav | {STEMSEP} - -o stems"),
    "flac": ("FLAC, 48 kHz", "song.flac", f"{STEMSEP} song.flac -o stems"),
    "wiener": ("WAV with `--wiener 1`", "song.wav", f"{STEMSEP} song.wav --wiener 1 -o stems"),
}
"""What to call it, the file it reads, and the command."""


def write_long_song(path: Path, minutes: int) -> None:
    """Write a minute over and over; as FLAC with its samples played faster, at 48 kHz."""
    write_song(path.with_name("minute.wav"), 60)
    minute, _ = soundfile.read(path.with_name("minute.wav"), dtype="int16")
    rate = 48_000 if path.suffix == ".flac" else RATE
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        for _ in range(-(-minutes * 60 * rate // len(minute))):
            file.write(np.ascontiguousarray(minute))


@click.command()
@click.option("--minutes", default="3,60", show_default=True, help="Lengths to compare.")
@click.option("--case", "cases", type=click.Choice(list(CASES)), multiple=True)
def main(minutes: str, cases: tuple[str, ...]) -> None:
    """Print a Markdown table."""
    lengths = [int(text) for text in minutes.split(",")]
    peaks: dict[str, list[float]] = {case: [] for case in cases or CASES}
    for length in lengths:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for song in {CASES[case][1] for case in peaks}:
                write_long_song(folder / song, length)
            for case, found in peaks.items():
                command = ["bash", "-o", "pipefail", "-c", CASES[case][2]]
                seconds, _, peak = measured(command, folder, {})
                found.append(peak)
                click.echo(f"{case}, {length} min: {seconds:.0f} s, {peak:.0f} MiB", err=True)
    click.echo("| MiB at most | " + " | ".join(f"{length} minutes" for length in lengths) + " |")
    click.echo("| --- |" + " --- |" * len(lengths))
    for case, found in peaks.items():
        click.echo(f"| {CASES[case][0]} | " + " | ".join(f"{peak:.0f}" for peak in found) + " |")


if __name__ == "__main__":
    main()
