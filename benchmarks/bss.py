"""Time and memory of scoring: museval against stemsep, each a whole program on the same files.

    python benchmarks/bss.py [--seconds 30] [--seconds 180] [--alone 600]

Makes four stereo stems and their estimates as 16-bit WAV files. Each program is started anew,
reads the eight files and prints its scores: `museval.evaluate` with its defaults, `bss_eval`
with its own, and `stemsep evaluate`, which also scores vocals and accompaniment as two targets,
measures whole tracks and writes its tables and the report with players. --alone lengths are
measured without museval, which would take an hour.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import soundfile
from numpy.typing import NDArray

from stemsep.data.track import STEMS

RATE = 44_100

READ = """
import json, sys
from pathlib import Path
import numpy as np
import soundfile
folder = Path(sys.argv[1])
def read(kind, dtype):
    files = sorted((folder / kind).iterdir())
    return np.stack([soundfile.read(file, dtype=dtype)[0] for file in files])
"""

MUSEVAL = f"""{READ}
import museval
scores = museval.evaluate(read("references", "float64"), read("estimates", "float64"))
print(json.dumps([score.tolist() for score in scores]))
"""

STEMSEP = f"""{READ}
from stemsep.evaluation.bss import bss_eval
estimates, references = (read(k, "int16").swapaxes(1, 2) for k in ("estimates", "references"))
scores = bss_eval(estimates=estimates, references=references, sample_rate={RATE})
print(json.dumps([s.tolist() for s in (scores.sdr, scores.isr, scores.sir, scores.sar)]))
"""

COMMAND = """
import json, sys
from pathlib import Path
from stemsep.cli.main import main
folder = Path(sys.argv[1])
places = [word for kind in ("references", "estimates") for word in (f"--{kind}", folder / kind)]
assert main(["evaluate", "-q", "-o", str(folder / "scores"), *map(str, places)]) == 0
record = json.loads((folder / "scores" / "references.json").read_text())
frames = {target["name"]: target["frames"] for target in record["targets"]}
print(json.dumps([
    [[frame["metrics"][metric] for frame in frames[stem]] for stem in sorted(record["joint"])]
    for metric in ("SDR", "ISR", "SIR", "SAR")
]))
"""


@dataclass(frozen=True)
class Run:
    """One program, from start to end."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    scores: NDArray[np.float64]


def run(program: str, folder: Path) -> Run:
    """Run a program from start to end, on as many processors as there are."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-W", "ignore", "-c", program, str(folder)]
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise click.ClickException("the program failed")
        out.seek(0)
        scores = np.array(json.load(out))
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, processor_seconds, kilobytes * 1024 / 1e6, scores)


def pieces(samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield a stem second by second: noise of a slope of its own, its sides half independent."""
    rng = np.random.default_rng(seed)
    slope = np.exp(-np.arange(RATE // 2 + 1) / rng.uniform(500, 5000)) + 1e-3
    pan = rng.uniform(0.3, 1, 2)
    for start in range(0, samples, RATE):
        middle, *sides = np.fft.irfft(np.fft.rfft(rng.standard_normal((3, RATE))) * slope, RATE)
        level = rng.uniform(0.05, 0.15) / middle.std()
        stereo = level * (pan * np.stack([middle, middle], 1) + 0.5 * np.stack(sides, 1))
        yield stereo[: samples - start]


def make_files(folder: Path, seconds: int) -> None:
    """Write stems, and estimates with leakage from the next stem, an echo and some noise."""
    rng = np.random.default_rng(9)
    samples = seconds * RATE
    for kind in ("references", "estimates"):
        (folder / kind).mkdir()
    for i, stem in enumerate(STEMS):
        names = [str(folder / kind / f"{stem}.wav") for kind in ("references", "estimates")]
        files = [soundfile.SoundFile(n, "w", RATE, 2, "PCM_16") for n in names]
        for own, other in zip(pieces(samples, i), pieces(samples, (i + 1) % 4), strict=True):
            echo = np.roll(own, 40, axis=0)
            files[0].write(own)
            files[1].write(0.9 * own + 0.1 * echo + 0.2 * other + 0.01 * rng.normal(size=own.shape))
        for file in files:
            file.close()


@click.command()
@click.option("--seconds", multiple=True, type=int, default=(30, 180), show_default=True)
@click.option("--alone", multiple=True, type=int, default=(600,), show_default=True)
def main(seconds: tuple[int, ...], alone: tuple[int, ...]) -> None:
    """Print a Markdown table."""
    click.echo(f"{os.cpu_count()} processors, numpy {np.__version__}\n")
    click.echo("| track | program | time | of processors | peak memory | times faster | worst |")
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    for length in sorted({*seconds, *alone}):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_files(folder, length)
            theirs = run(MUSEVAL, folder) if length in seconds else None
            if theirs:
                click.echo(row(length, "museval", theirs, None))
            for program, source in (("bss_eval", STEMSEP), ("stemsep evaluate", COMMAND)):
                click.echo(row(length, program, run(source, folder), theirs))


def row(length: int, program: str, one: Run, theirs: Run | None) -> str:
    times = f"{one.seconds:.2f} s | {one.processor_seconds:.1f} s"
    compared = " | "
    if theirs:
        worst = np.nanmax(np.abs(one.scores - theirs.scores))
        compared = f"{theirs.seconds / one.seconds:.1f} | {worst:.1e} dB"
    return f"| {length} s | {program} | {times} | {one.peak_mb:.0f} MB | {compared} |"


if __name__ == "__main__":
    main()
