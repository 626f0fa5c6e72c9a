"""Scores, pictures and excerpts -> one HTML file that needs nothing else, and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from stemsep.evaluation.engines import WINDOW_SECONDS
from stemsep.evaluation.excerpts import Excerpt
from stemsep.evaluation.pictures import Picture
from stemsep.evaluation.records import MUSEVAL_VERSION, TrackRecord
from stemsep.evaluation.run import TrackOutcome
from stemsep.evaluation.summary import MEAN, compare, overall, summarise, track_values
from stemsep.evaluation.systems import Baseline, Oracle, System
from stemsep.evaluation.tables import (
    COMPARED,
    MEDIAN_NOTE,
    Report,
    columns,
    write_text,
)
from stemsep.evaluation.web_page import render
from stemsep.plotting.scores import SYSTEM_COLOURS

__all__ = ["best_of", "collect", "write_report"]


def collect(
    outcomes: Sequence[TrackOutcome], systems: Sequence[System], *, title: str, engine: str
) -> Report:
    """Return all that is told about an evaluation.

    Each two systems that are neither oracles nor baselines are compared.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.track)
    records: dict[str, list[TrackRecord]] = {system.label: [] for system in systems}
    for record in (record for outcome in ordered for record in outcome.records):
        records[record.system].append(record)
    scored = {label: found for label, found in records.items() if found}
    bounds = [s.label for s in systems if isinstance(s, Oracle | Baseline)]
    rivals = [label for label in scored if label not in bounds]
    return Report(
        title=title,
        engine=engine,
        records=scored,
        rivals=rivals,
        summaries=[summarise(label, found) for label, found in scored.items()],
        differences=[
            difference
            for first, second in combinations(rivals, 2)
            for measure in COMPARED
            for difference in compare(scored[first], scored[second], measure=measure)
        ],
        failures=[
            {"track": f.track, "system": f.system, "error": " ".join(str(f.error).split())}
            for outcome in ordered
            for f in outcome.failures
        ],
    )


def write_report(
    report: Report, path: Path, *, pictures: Sequence[Picture], excerpts: Sequence[Excerpt]
) -> None:
    """Write the report as HTML; the file is complete or not there.

    Args:
        report: the scores.
        path: of the file.
        pictures: put into it.
        excerpts: put into it, with players.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    labels = list(report.records)
    html = render(
        "report.html.jinja",
        report=report,
        colours={label: SYSTEM_COLOURS[i % len(SYSTEM_COLOURS)] for i, label in enumerate(labels)},
        overviews=[_overview(report, measure) for measure in COMPARED],
        tracks=_tracks(report),
        columns=columns,
        best=lambda row: best_of({label: v for label, v in row.items() if label in report.rivals}),
        headline=_headline(report),
        title=report.title,
        pictures=[(picture.path.read_bytes(), picture.caption) for picture in pictures],
        excerpts=[(excerpt, _excerpt_scores(report, excerpt)) for excerpt in excerpts],
        museval_version=MUSEVAL_VERSION,
        median_note=MEDIAN_NOTE,
        mean=MEAN,
    )
    write_text(path, html)


def _headline(report: Report) -> str:
    """Return which of several systems is best, and how sure that is."""
    means = {
        s.system: list(s.stems.values())[-1].median["SDR"]
        for s in report.summaries
        if s.system in report.rivals
    }
    ranked = sorted((m for m in means if np.isfinite(means[m])), key=means.__getitem__)[::-1]
    if len(ranked) < 2:
        return ""
    best, second = ranked[:2]
    p = [
        d.p
        for d in report.differences
        if {d.first, d.second} == {best, second} and d.measure == "SDR"
    ]
    return (
        f"{best} has the highest museval SDR, {means[best]:.2f} dB in the mean of the stems; "
        f"the next, {second}, {means[second]:.2f} dB (p = {p[-1]:.2g})"
    )


def _overview(report: Report, measure: str) -> dict[str, Any]:
    """Return stem -> system -> score of one measure, and the range of a bar."""
    scores = {
        s.system: {
            stem: columns(row)[measure if measure == "uSDR" else f"museval {measure}"]
            for stem, row in s.stems.items()
        }
        for s in report.summaries
    }
    stems = dict.fromkeys(stem for of_system in scores.values() for stem in of_system)
    rows = {
        stem: {system: of[stem] for system, of in scores.items() if stem in of} for stem in stems
    }
    finite = [v for row in rows.values() for v in row.values() if np.isfinite(v)]
    top, low = max([*finite, 1.0]), min([*finite, 0.0])
    return {"measure": measure, "rows": rows, "top": top, "low": low, "digits": 2}


def _tracks(report: Report) -> list[dict[str, Any]]:
    """Return the tracks, the lowest score of the first system first."""
    rows: dict[str, dict[str, Any]] = {}
    for label, records in report.records.items():
        for record in records:
            row = rows.setdefault(record.track, {"track": record.track, "scores": {}})
            row["scores"][label] = track_values(record, "SDR")
    first = next(iter(report.records.values()), [])
    order = {r.track: float(np.nan_to_num(overall(r), nan=np.inf)) for r in first}
    return sorted(rows.values(), key=lambda row: order.get(row["track"], np.inf))


def _excerpt_scores(report: Report, excerpt: Excerpt) -> dict[str, float]:
    """Return label -> SDR of the second that was picked."""
    pick, found = excerpt.pick, {}
    index = round(pick.seconds / WINDOW_SECONDS)
    for label, records in report.records.items():
        for record in records:
            joint = record.scores.joint
            if record.track == pick.track and pick.stem in joint.stems:
                found[label] = float(joint.values["SDR"][joint.stems.index(pick.stem), index])
    return found


def best_of(row: Mapping[str, float]) -> str:
    """Return which of several systems has the highest score of a row."""
    finite = {system: value for system, value in row.items() if np.isfinite(value)}
    return max(finite, key=finite.__getitem__) if len(finite) > 1 else ""
