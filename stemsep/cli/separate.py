"""``stemsep separate``: songs -> stems."""

from __future__ import annotations

import math
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.interrupt import interrupt_between_blocks
from stemsep.cli.options import (
    debug_option,
    debugging,
    device_options,
    fetching_from,
    offline_option,
    one_line,
    usage_errors,
)
from stemsep.cli.progress import song_progress
from stemsep.errors import ParameterError

if TYPE_CHECKING:
    from stemsep.plotting.spectrogram import StemPicture
    from stemsep.separation import FileResult, OutputConfig, Separator
    from stemsep.separation.exact import ExactSeparator
    from stemsep.separation.outputs import Input

__all__ = ["command"]


class _LiteralNames(click.Command):
    """Takes an argument that exists as a file or folder literally, even with a leading dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "" in args:
            raise click.UsageError("an argument is empty: name a file, a folder or a value", ctx)
        options = {name for parameter in self.params for name in parameter.opts}
        args = [
            f"./{arg}"
            if arg.startswith("-") and arg not in options and os.path.lexists(arg)
            else arg
            for arg in args
        ]
        return super().parse_args(ctx, args)


@click.command(cls=_LiteralNames)
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("separated"),
    show_default=True,
    help="Folder of the stems.",
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
)
@click.option("--format", type=click.Choice(["wav", "flac"]), help="Of the stems (default: wav).")
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

    INPUT is a sound file (WAV, FLAC, MP3, OGG, Opus, M4A, a video, ...) or a folder of them,
    searched to any depth. Stems have the rate, the channels and the length of their song, and
    together they are the song.

    \b
    Examples:
      stemsep separate song.mp3
      stemsep separate album/ --stems 2 --format flac -o karaoke
    """
    settings = _output_config(options)
    from stemsep.models.memory import keep_freed_memory
    from stemsep.separation.batch import find_inputs, plan
    from stemsep.separation.device import use_threads

    if options["threads"]:
        use_threads(options["threads"])
    keep_freed_memory()
    found, errors = find_inputs(inputs, output=output)
    for error in errors:
        click.echo(f"Error: {one_line(error)}", err=True)
    if not found:
        return 1
    with usage_errors():
        separator = _separator(options)
        songs = plan(found, output, settings, separator.stems)
    failed = sum(not _separate(separator, song, output, settings, options) for song in songs)
    done, failed = len(songs) - failed, failed + len(errors)
    if failed and done + failed > 1 and not options["quiet"]:
        click.echo(f"{done} done, {failed} failed", err=True)
    return 1 if failed else 0


def _separator(options: dict[str, Any]) -> Separator | ExactSeparator:
    """Return the network that was asked for, ready to separate."""
    from stemsep.separation import Separator
    from stemsep.separation.exact import ExactConfig, ExactSeparator
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.checkpoint import load_network
    from stemsep.weights.published import published_name

    exact, device, precision = options["exact"], options["device"], options["precision"]
    if options["mask_extension"] and not exact:
        raise ParameterError("--mask-extension goes with --exact")
    if exact and precision == "bf16":
        raise ParameterError("--exact computes in fp32: leave --precision out")
    fetching = fetching_from(offline=options["offline"], quiet=options["quiet"])
    model = published_name(options["model"], options["stems"])
    network = load_network(find_checkpoint(model, fetching=fetching))
    if exact:
        config = ExactConfig(mask_extension=options["mask_extension"] or "zeros")
        return ExactSeparator(network, config, device=device)
    return Separator(network, device=device, precision=precision)


def _separate(
    separator: Separator | ExactSeparator,
    song: Input,
    output: Path,
    settings: OutputConfig,
    options: dict[str, Any],
) -> bool:
    """Separate one song and say what became of it; return whether it was done."""
    from stemsep.separation.files import separate_file

    name, show = song.path.name, not options["quiet"]
    try:
        with interrupt_between_blocks() as check, song_progress(name, show=show) as update:

            def progress(done: float, total: float | None) -> None:
                check()
                update(done, total)

            result = separate_file(
                separator,
                song.path,
                output,
                settings,
                folder=song.folder,
                progress=progress,
                picture=_picture(name) if options["plot"] else None,
            )
            check()
    except Exception as error:  # one bad song must not end the others
        if debugging():
            traceback.print_exc()
        text = one_line(error)
        name = "" if str(song.path) in str(error) else f"'{song.path}': "
        click.echo(f"Error: {name}{text}", err=True)
        return False
    _show_result(result, options)
    return True


def _picture(title: str) -> StemPicture:
    from stemsep.plotting.spectrogram import StemPicture

    return StemPicture(title)


def _output_config(options: dict[str, Any]) -> OutputConfig:
    from stemsep.separation.outputs import OutputConfig

    if options["skip_existing"] and options["overwrite"]:
        raise click.UsageError("--skip-existing and --overwrite exclude each other")
    names = ("stems", "format", "bit_depth", "template")
    given = {name: options[name] for name in names if options[name] is not None}
    if options["skip_existing"] or options["overwrite"]:
        given["existing"] = "skip" if options["skip_existing"] else "overwrite"
    with usage_errors():
        return OutputConfig(**given)


def _show_result(result: FileResult, options: dict[str, Any]) -> None:
    if result.missing_seconds:
        missing = f"{result.missing_seconds:.2f} s of it are"
        if math.isnan(result.missing_seconds):
            missing = "its end is (how much is not known)"
        click.echo(
            f"Warning: '{result.path}' is cut short: {missing} missing; "
            f"the {result.seconds:.2f} s that decode were separated",
            err=True,
        )
    if result.clipped:
        click.echo(
            f"Warning: '{result.path}': {result.clipped} samples are beyond full scale and were "
            "limited; --bit-depth 32f keeps them",
            err=True,
        )
    if options["quiet"]:
        return
    if result.written:
        folder = next(iter(result.written.values())).parent
        speed = result.seconds / max(1e-6, result.elapsed)
        click.echo(
            f"{result.path}: {', '.join(result.written)} in '{folder}' "
            f"({result.seconds:.1f} s of sound in {result.elapsed:.1f} s, {speed:.1f} x real time)",
            err=True,
        )
    else:
        click.echo(f"{result.path}: all stems are there already, left alone", err=True)
    if options["verbose"]:
        if result.picture:
            click.echo(f"  drew {result.picture}", err=True)
        for verb, paths in (("wrote", result.written), ("kept", result.kept)):
            for path in paths.values():
                click.echo(f"  {verb} {path}", err=True)
