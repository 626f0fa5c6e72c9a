"""Summaries -> ``summary.json``, ``summary.csv`` and ``summary.md``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemsep import __version__
from stemsep.audio.atomic import partial_file
from stemsep.evaluation.engines import METRICS
from stemsep.evaluation.records import MUSEVAL_VERSION, TrackRecord
from stemsep.evaluation.summary import Difference, StemSummary, SystemSummary, track_values

__all__ = [
    "Report",
    "as_document",
    "as_markdown",
    "as_text",
    "columns",
    "number",
    "write_tables",
    "write_text",
]

MEDIAN_NOTE = "median over frames of 1 s, then over tracks"
COMPARED = ("SDR", "uSDR")
"""What systems are compared by: one measure of each convention."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is told about an evaluation.

    Args:
        title: what was scored.
        engine: name of what computed BSSEval.
        records: label of a system -> its scores, track by track.
        rivals: labels of the systems that are neither oracles nor baselines.
        summaries: one per system, in the same order.
        differences: tests of each two systems.
        failures: what could not be scored: track, system and the error in one line.
    """

    title: str
    engine: str
    records: Mapping[str, Sequence[TrackRecord]]
    rivals: Sequence[str]
    summaries: Sequence[SystemSummary]
    differences: Sequence[Difference]
    failures: Sequence[Mapping[str, str]]


def columns(summary: StemSummary) -> dict[str, float]:
    """Return heading -> value of a row of the table: each heading names its measure."""
    medians = {f"museval {metric}": summary.median[metric] for metric in METRICS}
    return {
        "museval SDR": medians.pop("museval SDR"),
        "mean of track medians (SDR)": summary.mean["SDR"],
        **medians,
        **summary.whole,
    }


def number(value: float, decimals: int = 2) -> str:
    """Return a value for people; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"


def as_document(report: Report) -> dict[str, Any]:
    """Return the report as JSON's own types, without NaN (null stands for it)."""
    document = {
        "title": report.title,
        "stemsep_version": __version__,
        "engine": report.engine,
        "museval_version": MUSEVAL_VERSION,
        "aggregation": {
            "median": MEDIAN_NOTE,
            "mean": "median over frames of 1 s, then mean over tracks",
            "whole": "over whole tracks, then mean over tracks",
        },
        "systems": [asdict(summary) for summary in report.summaries],
        "differences": [asdict(difference) for difference in report.differences],
        "tracks": [
            {
                "track": record.track,
                "system": record.system,
                "singular": record.scores.joint.singular,
                "museval SDR": track_values(record, "SDR"),
                "whole_track": record.scores.whole,
            }
            for records in report.records.values()
            for record in records
        ],
        "failures": list(report.failures),
    }
    plain: dict[str, Any] = without_nan(document)
    return plain


def as_markdown(report: Report) -> str:
    """Return the tables of all systems, and of their differences."""
    parts = [f"# {report.title}", _legend(report)]
    for summary in report.summaries:
        tracks = "1 track" if summary.tracks == 1 else f"{summary.tracks} tracks"
        parts.append(f"## {summary.system} ({tracks})\n\n{_table('stem', summary.stems)}")
        if summary.two_targets:
            parts.append("Vocals and accompaniment, scored as two targets:")
            parts.append(_table("target", summary.two_targets))
    if report.differences:
        parts.append("## Differences\n\n" + differences_table(report.differences, unit="dB"))
    if report.failures:
        parts.append("## Not scored\n\n" + failure_list(report.failures))
    return "\n\n".join(parts) + "\n"


def as_text(report: Report) -> str:
    """Return the two main measures of all systems and stems, for a terminal."""
    parts = []
    width = max([len(s.system) for s in report.summaries], default=0)
    for name, note in (("museval SDR", MEDIAN_NOTE), ("uSDR", "whole tracks, then their mean")):
        parts.append(f"{name}, dB ({note}):")
        for summary in report.summaries:
            values = [f"{s} {number(columns(v)[name])}" for s, v in summary.stems.items()]
            parts.append(f"  {summary.system:{width}}  {'  '.join(values)}")
    return "\n".join(parts)


def write_tables(report: Report, folder: Path) -> None:
    """Write ``summary.json``, ``summary.csv`` and ``summary.md``, each complete or not there.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    write_summary(folder, as_document(report), _csv_rows(report), as_markdown(report))


def write_summary(
    folder: Path, document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], markdown: str
) -> None:
    """Write the three forms of a summary."""
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(folder / "summary.json", text + "\n")
    write_text(folder / "summary.csv", csv_text(rows))
    write_text(folder / "summary.md", markdown)


def write_text(path: Path, text: str) -> None:
    """Write a text file, complete or not there."""
    with partial_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _legend(report: Report) -> str:
    return (
        f"In dB. museval SDR, ISR, SIR, SAR: BSSEval v4 as museval {MUSEVAL_VERSION} defines it, "
        f"{MEDIAN_NOTE} (engine: {report.engine}). The others are over whole tracks, then the "
        "mean over tracks. NaN frames count nowhere: a stem is silent there, or perfect."
    )


def _table(heading: str, rows: Mapping[str, StemSummary]) -> str:
    names = list(columns(next(iter(rows.values()))))
    cells = [
        [
            stem,
            *[number(value) for value in columns(row).values()],
            f"{row.nan_frames} of {row.frames}",
        ]
        for stem, row in rows.items()
    ]
    return markdown_table([heading, *names, "NaN frames"], cells)


def differences_table(differences: Sequence[Difference], *, unit: str = "") -> str:
    """Return a Markdown table of paired tests."""
    unit = f", {unit}" if unit else ""
    decimals = 2 if unit else 4
    rows = [
        [
            d.measure,
            d.stem,
            f"{d.second} - {d.first}",
            number(d.median, decimals),
            f"{d.second_better} of {d.tracks}",
            "–" if math.isnan(d.p) else f"{d.p:.3g}",
        ]
        for d in differences
    ]
    headings = [
        "measure",
        "of",
        "compared",
        f"median difference{unit}",
        "better on",
        "p (Wilcoxon)",
    ]
    return markdown_table(headings, rows)


def failure_list(failures: Sequence[Mapping[str, str]]) -> str:
    """Return a Markdown list of what could not be scored."""
    return "\n".join(f"- {f['track']} ({f['system']}): {f['error']}" for f in failures)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same keys as CSV with a heading; NaN is empty."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v != v else v for k, v in row.items()})
    return text.getvalue()


def _csv_rows(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "system": summary.system,
            "targets": targets,
            "stem": stem,
            **columns(scores),
            "NaN frames": scores.nan_frames,
            "frames": scores.frames,
            "tracks": scores.tracks,
        }
        for summary in report.summaries
        for targets, stems in (("joint", summary.stems), ("two", summary.two_targets))
        for stem, scores in stems.items()
    ]


def without_nan(value: Any) -> Any:
    """Return JSON's types with null for numbers that are not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, list | tuple) else value
