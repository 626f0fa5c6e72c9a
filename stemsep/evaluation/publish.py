"""The scores of all tracks -> tables, pictures and the HTML report in the output folder."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from stemsep.evaluation.excerpts import extremes, make_excerpts
from stemsep.evaluation.pictures import draw_pictures
from stemsep.evaluation.report import collect, write_report
from stemsep.evaluation.run import Plan, TrackOutcome
from stemsep.evaluation.tables import Report, write_tables

__all__ = ["publish"]


def publish(
    plan: Plan, outcomes: Sequence[TrackOutcome], *, title: str, plot: bool | None = None
) -> Report:
    """Write ``summary.json``, ``.csv`` and ``.md``, ``pictures/`` and ``report.html``.

    Args:
        plan: what was scored.
        outcomes: of its tracks, in any order.
        title: of the report.
        plot: draw pictures; None: for more than one track, where matplotlib is installed.

    Returns:
        What was written.

    Raises:
        MissingExtraError: pictures are asked for, and matplotlib is not installed.
        OSError: the folder cannot be written, or the disk is full.
    """
    report = collect(outcomes, plan.systems, title=title, engine=plan.engine)
    write_tables(report, plan.output)
    if plot is None:
        plot = len(plan.tracks) > 1 and find_spec("matplotlib") is not None
    pictures = draw_pictures(report, plan.tracks, plan.output / "pictures") if plot else ()
    picks = extremes(next(iter(report.records.values()), ()))
    sounds = {o.track: o.loaded for o in outcomes if o.loaded}
    scored = [system for system in plan.systems if system.label in report.records]
    write_report(
        report,
        plan.output / "report.html",
        pictures=list(pictures),
        excerpts=sorted(
            make_excerpts(picks, plan.tracks, scored, sounds), key=lambda e: picks.index(e.pick)
        ),
    )
    return report
