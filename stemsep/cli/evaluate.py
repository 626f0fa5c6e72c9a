"""``stemsep evaluate``: separated stems, or networks -> scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stemsep.cli.interrupt import interrupt_between_blocks
from stemsep.cli.memory import keep_freed_memory
from stemsep.cli.options import debug_option, debugging, one_line, usage_errors
from stemsep.cli.progress import track_progress, transfer_progress
from stemsep.errors import require

if TYPE_CHECKING:
    from stemsep.evaluation.request import Request
    from stemsep.evaluation.run import Plan, TrackOutcome

__all__ = ["command"]

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--musdb", type=FOLDER, help="Folder of MUSDB18: train and test, .stem.mp4 or WAV.")
@click.option("--sample", is_flag=True, help="MUSDB18's seven-second sample, downloaded once.")
@click.option(
    "--subset",
    type=click.Choice(["test", "train", "valid"]),
    help="Part of MUSDB18; train is without valid (default: test).",
)
@click.option(
    "--references",
    type=FOLDER,
    help="Folder with a folder of true stems per track; or of true masks of pictures.",
)
@click.option(
    "--estimates",
    type=FOLDER,
    multiple=True,
    help="Folder with a folder of separated stems per track (or of masks); several are compared.",
)
@click.option(
    "--model",
    multiple=True,
    metavar="NAME|PATH",
    help="Network that separates the mixtures; several are compared.",
)
@click.option(
    "--oracle",
    type=click.Choice(["irm1", "irm2", "ibm", "mwf"]),
    multiple=True,
    help="Upper bound: ideal ratio mask of magnitudes or powers, binary mask, Wiener filter.",
)
@click.option(
    "--baseline",
    type=click.Choice(["mixture", "quarter"]),
    multiple=True,
    help="Floor: the mixture, or an even share of it, as each stem.",
)
@click.option(
    "-o", "--output", type=FOLDER, default=Path("evaluated"), show_default=True, help="Of scores."
)
@click.option(
    "--engine",
    type=click.Choice(["fast", "museval"]),
    default="fast",
    show_default=True,
    help="What computes BSSEval: stemsep, or museval itself.",
)
@click.option("--museval-rounding", is_flag=True, help="Write 5 decimals, as museval does.")
@click.option("--spectral", is_flag=True, help="Measure the log-spectral distance as well.")
@click.option(
    "--plot/--no-plot", default=None, help="Draw pictures (default: for more than one track)."
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Tracks at a time."
)
@click.option("--device", default="auto", metavar="DEVICE", help="Of networks: auto, cpu, cuda …")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    help="Of networks; auto: bf16 where the CPU has it in hardware, else fp32.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON document.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@debug_option
def command(**options: Any) -> int:
    """Score separated stems, or networks, against the true stems; or masks of pictures.

    Scores are those of museval (BSSEval v4) and measures over whole tracks. Each track's go to
    OUTPUT/TRACK.json at once, and are taken up again by a later run if nothing has changed; a table
    to OUTPUT/summary.md (.json, .csv), all of it with pictures and sound to OUTPUT/report.html.

    \b
    Examples:
      stemsep evaluate --references truth/ --estimates separated/
      stemsep evaluate --references masks/ --estimates predicted/
      stemsep evaluate --musdb MUSDB18 --model default --oracle irm1 --baseline quarter
    """
    _set_up_process()
    request = _request(options)
    if request.of_pictures:
        return _score_pictures(request, options)
    plan, title = _plan(request, options)
    if options["plot"]:
        require("matplotlib", extra="plot")  # said before any work
    from stemsep.evaluation.publish import publish
    from stemsep.evaluation.tables import as_document, as_text

    outcomes = _run(plan, jobs=options["jobs"], quiet=options["quiet"])
    report = publish(plan, outcomes, title=title, plot=options["plot"])
    if options["as_json"]:
        click.echo(json.dumps(as_document(report), indent=2))
    if not options["quiet"]:
        click.echo(f"\n{as_text(report)}\n{plan.output / 'report.html'}", err=True)
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    if failed and not options["quiet"]:
        click.echo(f"{len(outcomes) - failed} tracks scored, {failed} not", err=True)
    return 1 if failed else 0


def _set_up_process() -> None:
    """Prepare for threads that share large arrays; before numpy is imported."""
    keep_freed_memory()
    # BSSEval has threads of its own, in which those of BLAS would wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Memory that is kept needs no huge pages, which are cleared whole.
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")


def _request(options: dict[str, Any]) -> Request:
    from stemsep.evaluation.request import Request

    musdb = options["musdb"]
    if options["sample"]:
        if musdb:
            raise click.UsageError("--musdb and --sample exclude each other")
        from stemsep.evaluation.sample import sample_folder

        musdb = sample_folder()
    with usage_errors():
        request = Request(
            musdb=musdb,
            subset=options["subset"],
            references=options["references"],
            estimates=options["estimates"],
            models=options["model"],
            oracles=options["oracle"],
            baselines=options["baseline"],
            device=options["device"],
            precision=options["precision"],
        )
    if options["sample"]:
        _fetch_sample(quiet=options["quiet"])
    return request


def _fetch_sample(*, quiet: bool) -> None:
    from stemsep.evaluation.sample import fetch_sample, sample_folder

    if not quiet and not sample_folder().is_dir():
        terms = "MUSDB18 is for academic, non-commercial use"
        click.echo(f"fetching its seven-second sample into {sample_folder()}; {terms}", err=True)
    with transfer_progress("sample", show=not quiet) as progress:
        fetch_sample(progress=progress)


def _score_pictures(request: Request, options: dict[str, Any]) -> int:
    """Score folders of masks."""
    from stemsep.evaluation.image_report import as_text, publish_images
    from stemsep.evaluation.image_scores import score_images
    from stemsep.evaluation.request import find_pictures

    with usage_errors():
        references, estimates = find_pictures(request)
    evaluation = score_images(references, estimates)
    for failure in evaluation.failures:
        what = f"'{failure['track']}' ({failure['system']})"
        click.echo(f"Error: {what}: {failure['error']}", err=True)
    output: Path = options["output"]
    document = publish_images(evaluation, references, estimates, output)
    if options["as_json"]:
        click.echo(json.dumps(document, indent=2))
    if not options["quiet"]:
        click.echo(f"{as_text(evaluation)}\n{output / 'report.html'}", err=True)
    return 1 if evaluation.failures else 0


def _plan(request: Request, options: dict[str, Any]) -> tuple[Plan, str]:
    """Return what to do, and a line that says what it is."""
    from stemsep.evaluation.request import find_systems, find_tracks, title
    from stemsep.evaluation.run import Plan

    tracks = find_tracks(request)
    with usage_errors():
        systems = find_systems(request)
    plan = Plan(
        tracks=tracks,
        systems=systems,
        output=options["output"],
        engine=options["engine"],
        device=options["device"],
        museval_rounding=options["museval_rounding"],
        spectral=options["spectral"],
    )
    return plan, title(request, len(tracks))


def _run(plan: Plan, *, jobs: int, quiet: bool) -> list[TrackOutcome]:
    """Score all tracks, and say of each what became of it."""
    from stemsep.evaluation.run import run

    outcomes = []
    shown = track_progress(len(plan.tracks), show=not quiet)
    with interrupt_between_blocks() as check, shown as tell:
        for outcome in run(plan, jobs=jobs, step=check):
            outcomes.append(outcome)
            for failure in outcome.failures:
                if debugging():
                    click.echo(failure.traceback, err=True)
                text = f"'{failure.track}' ({failure.system}): {one_line(failure.error)}"
                click.echo(f"Error: {text}", err=True)
            tell(_in_a_line(outcome))
            check()
    return outcomes


def _in_a_line(outcome: TrackOutcome) -> str:
    from stemsep.evaluation.summary import overall

    scores = [
        f"{record.system} {overall(record):.2f} dB"
        + (" (scored before)" if record.system in outcome.reused else "")
        for record in outcome.records
    ]
    return f"{outcome.track}: {', '.join(scores) or 'not scored'}"
