"""``stemsep separate``: songs -> stems."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.memory import keep_freed_memory
from stemsep.cli.options import (
    debug_option,
    debugging,
    device_options,
    fetching_from,
    offline_option,
    one_line,
    usage_errors,
)
from stemsep.cli.parameters import SECONDS, LiteralNames
from stemsep.cli.songs import Run, separate_all
from stemsep.errors import ParameterError, StemsepError

if TYPE_CHECKING:
    from stemsep.separation import OutputConfig, Part, Separator
    from stemsep.separation.exact import ExactSeparator

__all__ = ["command"]


def _complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    from stemsep.weights.catalog import shipped_checkpoints

    return [name for name in shipped_checkpoints() if name.startswith(incomplete)]


@click.command(cls=LiteralNames)
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("separated"),
    show_default=True,
    help="Folder of the stems; - writes one stem to the standard output.",
)
@click.option(
    "--stems",
    metavar="2|4|5|NAME,...",
    help="2: vocals and accompaniment; or names, such as vocals,drums (default: all).",
)
@click.option(
    "--model",
    default="default",
    show_default=True,
    help="Name of a network (see: stemsep models list), its .safetensors file, or its address.",
    shell_complete=_complete_model,
)
@click.option(
    "--backend",
    type=click.Choice(["torch", "onnx"]),
    help="What computes the network (default: torch; onnx for an .onnx file).",
)
@click.option(
    "--format",
    type=click.Choice(["wav", "flac", "mp3", "ogg", "opus", "m4a", "stem.mp4"]),
    help="Of the stems (default: wav); stem.mp4 is one file for DJ programs.",
)
@click.option("--bitrate", metavar="RATE", help="Of MP3, OGG, Opus and M4A, such as 192k.")
@click.option(
    "--bit-depth",
    type=click.Choice(["auto", "16", "24", "32f"]),
    help="auto: the input's; 16 for lossy, 32f for float input.",
)
@click.option(
    "--template",
    help="Path of a stem below the output folder, from {track}, {stem}, {ext} and {folder} "
    "(default: {track}/{stem}.{ext}).",
)
@click.option("--start", type=SECONDS, help="Where to begin in each song: seconds, or 1:30.")
@click.option("--duration", type=SECONDS, help="How much of each song: seconds, or 1:30.")
@click.option("--preview", is_flag=True, help="Only the loudest 30 seconds of each song.")
@click.option(
    "--clip",
    type=click.Choice(["limit", "gain"]),
    help="Beyond full scale: limit (the other stems take it; the default), or gain: all stems "
    "and the song get quieter by one factor.",
)
@click.option(
    "--wiener",
    type=click.IntRange(0, 20),
    default=0,
    metavar="N",
    help="Iterations of the multichannel Wiener filter on the stems (default: 0, none).",
)
@click.option(
    "--spatial/--no-spatial",
    default=None,
    help="Tell stems apart by what comes again and where they lie in stereo, too, or by the "
    "network's masks alone (default: as the network was made for; --wiener takes the place of "
    "either).",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, help="Songs at once (default: 1).")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="Write what became of each song, with times and levels.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report to the standard output.")
@click.option("--skip-existing", is_flag=True, help="Leave stems alone that are there already.")
@click.option("--overwrite", is_flag=True, help="Replace stems that are there already.")
@click.option("--plot", is_flag=True, help="Draw each song and its stems into a PNG beside them.")
@click.option(
    "--exact",
    is_flag=True,
    help="A network of Spleeter's or Open-Unmix's in that program's own way: stems of two "
    "channels at 44.1 kHz, which are not together the song.",
)
@click.option(
    "--mask-extension",
    type=click.Choice(["zeros", "average"]),
    help="With --exact, of Spleeter: what is kept above 11 kHz, nothing or as much as below "
    "(default: zeros).",
)
@offline_option
@device_options
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Name each file that is written.")
@debug_option
def command(inputs: tuple[Path, ...], output: Path, **options: Any) -> int:
    """Separate songs into stems.

    INPUT is a sound file (WAV, FLAC, MP3, OGG, Opus, M4A, a video, ...), a folder of them, searched
    to any depth, a pattern such as '*.mp3', or - for the standard input. Stems have the rate, the
    channels and the length of their song, and together they are the song.

    \b
    Examples:
      stemsep separate song.mp3
      stemsep separate album/ --stems 2 --format flac -o karaoke
      cat song.mp3 | stemsep separate - --stems vocals -o - | aplay
    """
    keep_freed_memory()
    settings, part = _output_config(options), _part(options)
    if options["as_json"] and str(output) == "-":
        raise click.UsageError("--json and -o - would both write to the standard output")
    from stemsep.separation.batch import find_inputs, plan
    from stemsep.separation.device import use_threads

    started = time.monotonic()
    found, errors = find_inputs(inputs, output=output)
    for error in errors:
        click.echo(f"Error: {one_line(error)}", err=True)
    if not found:
        return 1
    with usage_errors():
        checkpoint = _checkpoint(options)
        separator = _separator(checkpoint, options)
        songs = plan(found, output, settings, separator.stems)
    jobs = min(options["jobs"], max(1, len(songs)))
    use_threads(options["threads"], jobs=jobs)
    run = Run(
        separator=separator,
        output=output,
        settings=settings,
        part=part,
        load_seconds=time.monotonic() - started,
        jobs=jobs,
        debug=debugging(),
        **{name: options[name] for name in ("plot", "quiet", "verbose")},
    )
    if settings.format == "opus" and not run.quiet:
        click.echo("Opus is written at 48000 Hz, whatever the song has", err=True)
    entries: list[dict[str, Any]] = [_failed(error) for error in errors]
    try:
        separate_all(run, songs, entries)
    finally:
        _report(run, checkpoint, entries, options)
    failed = sum(entry["status"] == "failed" for entry in entries)
    if failed and len(entries) > 1 and not run.quiet:
        click.echo(f"{len(entries) - failed} done, {failed} failed", err=True)
    return 1 if failed else 0


def _failed(error: StemsepError) -> dict[str, Any]:
    return {"path": None, "status": "failed", "error": one_line(error)}


def _report(
    run: Run, checkpoint: Path, entries: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    """Write and print the report, where it was asked for."""
    if not options["report"] and not options["as_json"]:
        return
    from stemsep.separation.report import report, write_report

    content = report(
        entries,
        model=options["model"],
        checkpoint=checkpoint,
        device=str(run.separator.device),
        precision=run.separator.precision,
        load_seconds=run.load_seconds,
    )
    if options["report"]:
        write_report(content, options["report"])
    if options["as_json"]:
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _checkpoint(options: dict[str, Any]) -> Path:
    """Return the file of the network that was asked for, fetched if it is not here."""
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.published import published_name

    fetching = fetching_from(offline=options["offline"], quiet=options["quiet"])
    return find_checkpoint(published_name(options["model"], options["stems"]), fetching=fetching)


def _separator(checkpoint: Path, options: dict[str, Any]) -> Separator | ExactSeparator:
    """Return the network of a checkpoint, ready to separate."""
    from stemsep.separation import Separator
    from stemsep.separation.backend import choose_backend, load_for_backend
    from stemsep.separation.exact import ExactConfig, ExactSeparator
    from stemsep.weights.checkpoint import load_network

    exact, device, precision = options["exact"], options["device"], options["precision"]
    if options["mask_extension"] and not exact:
        raise ParameterError("--mask-extension goes with --exact")
    if options["wiener"] > 1 and exact:
        raise ParameterError("--exact takes one step of the Wiener filter at most: --wiener 1")
    if options["spatial"] and (exact or options["wiener"]):
        raise ParameterError("--spatial goes with neither --exact nor --wiener: leave one out")
    if exact and precision == "bf16":
        raise ParameterError("--exact computes in fp32: leave --precision out")
    if exact:
        if choose_backend(options["backend"], checkpoint) == "onnx":
            raise ParameterError("--exact computes with torch: leave --backend out")
        config = ExactConfig(
            mask_extension=options["mask_extension"] or "zeros", wiener=bool(options["wiener"])
        )
        return ExactSeparator(load_network(checkpoint), config, device=device)
    network = load_for_backend(checkpoint, options["backend"])
    return Separator(
        network,
        device=device,
        precision=precision,
        wiener_iterations=options["wiener"],
        spatial=options["spatial"],
    )


def _output_config(options: dict[str, Any]) -> OutputConfig:
    from stemsep.separation.outputs import OutputConfig

    if options["skip_existing"] and options["overwrite"]:
        raise click.UsageError("--skip-existing and --overwrite exclude each other")
    names = ("stems", "format", "bitrate", "bit_depth", "template", "clip")
    given = {name: options[name] for name in names if options[name] is not None}
    if options["skip_existing"] or options["overwrite"]:
        given["existing"] = "skip" if options["skip_existing"] else "overwrite"
    with usage_errors():
        return OutputConfig(**given)


def _part(options: dict[str, Any]) -> Part:
    from stemsep.separation import Part

    with usage_errors():
        return Part(
            start_seconds=options["start"] or 0.0,
            duration_seconds=options["duration"],
            preview=options["preview"],
        )
