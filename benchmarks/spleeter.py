"""Time and memory of the same network of four stems: Spleeter 2.4.2 against stemsep.

python benchmarks/spleeter.py --spleeter VENV/bin/spleeter [--seconds 30,180]

Whole commands, from a WAV to four WAVs, one after the other, on weights and songs that
tests/golden/spleeter generates. Needs Spleeter 2.4.2 in an environment of its own, and ffmpeg.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import util
from pathlib import Path
from types import ModuleType

import click
from programs import measured

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "spleeter"


def generator(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, GOLDEN / f"{name}.py")
    if spec is None or spec.loader is None:
        raise click.ClickException(f"no generator {name}.py in {GOLDEN}")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@click.command()
@click.option("--spleeter", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--seconds", default="30,180", show_default=True, help="Lengths of the songs.")
@click.option("--runs", default=1, show_default=True, help="Of each command; the fastest counts.")
def main(spleeter: Path, seconds: str, runs: int) -> None:
    """Print a Markdown table."""
    lengths = [int(length) for length in seconds.split(",")]
    songs = generator("make_input")
    stemsep = [sys.executable, "-m", "stemsep"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"MODEL_PATH": "models", "STEMSEP_CACHE": str(folder / "cache")}
        generator("make_checkpoint").write_model("4stems", folder / "models" / "4stems")
        (folder / "models" / "4stems" / ".probe").write_text("OK")
        imported = [*stemsep, "models", "import", "models/4stems", "-o", "m.safetensors"]
        measured(imported, folder, environment)
        ours = [*stemsep, "separate", "--model", "m.safetensors", "--overwrite", "-o", "ours"]
        commands = {
            "Spleeter 2.4.2": [str(spleeter), "separate", "-p", "spleeter:4stems", "-o", "theirs"],
            "stemsep --exact": [*ours, "--exact"],
            "stemsep": ours,
        }
        click.echo(
            "| song, s | command | wall, s | CPU, s | peak, MiB | wall ratio | memory ratio |"
        )
        click.echo("| --- | --- | --- | --- | --- | --- | --- |")
        for length in lengths:
            songs.write(str(folder / "song.wav"), songs.song(length * songs.RATE, 42))
            base: tuple[float, float, float] | None = None
            for title, command in commands.items():
                whole = [*command, "song.wav"]
                best = min(measured(whole, folder, environment) for _ in range(runs))
                base = base or best
                wall, cpu, peak = best
                click.echo(
                    f"| {length} | {title} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} | "
                    f"{base[0] / wall:.2f} | {base[2] / peak:.2f} |"
                )


if __name__ == "__main__":
    main()
