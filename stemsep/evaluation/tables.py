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
    "two_decimals",
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


def two_decimals(value: float) -> str:
    """Return a value for people; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


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
    plain: dict[str, Any] = _without_nan(document)
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
        parts.append("## Differences\n\n" + _differences(report.differences))
    if report.failures:
        lines = [f"- {f['track']} ({f['system']}): {f['error']}" for f in report.failures]
        parts.append("## Not scored\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_text(report: Report) -> str:
    """Return the two main measures of all systems and stems, for a terminal."""
    parts = []
    width = max([len(s.system) for s in report.summaries], default=0)
    for name, note in (("museval SDR", MEDIAN_NOTE), ("uSDR", "whole tracks, then their mean")):
        parts.append(f"{name}, dB ({note}):")
        for summary in report.summaries:
            values = [f"{s} {two_decimals(columns(v)[name])}" for s, v in summary.stems.items()]
            parts.append(f"  {summary.system:{width}}  {'  '.join(values)}")
    return "\n".join(parts)


def write_tables(report: Report, folder: Path) -> None:
    """Write ``summary.json``, ``summary.csv`` and ``summary.md``, each complete or not there.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    document = json.dumps(as_document(report), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(folder / "summary.json", document + "\n")
    write_text(folder / "summary.csv", _as_csv(report))
    write_text(folder / "summary.md", as_markdown(report))


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
    lines = [[heading, *names, "NaN frames"], ["---"] * (len(names) + 2)]
    for stem, summary in rows.items():
        values = [two_decimals(value) for value in columns(summary).values()]
        lines.append([stem, *values, f"{summary.nan_frames} of {summary.frames}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _differences(differences: Sequence[Difference]) -> str:
    lines = [
        ["measure", "stem", "compared", "median difference, dB", "better on", "p (Wilcoxon)"],
        ["---"] * 6,
    ]
    lines += [
        [
            d.measure,
            d.stem,
            f"{d.second} - {d.first}",
            two_decimals(d.median_db),
            f"{d.second_better} of {d.tracks}",
            "–" if math.isnan(d.p) else f"{d.p:.3g}",
        ]
        for d in differences
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_csv(report: Report) -> str:
    text = io.StringIO()
    writer: Any = None
    for summary in report.summaries:
        for targets, stems in (("joint", summary.stems), ("two", summary.two_targets)):
            for stem, scores in stems.items():
                row = {
                    "system": summary.system,
                    "targets": targets,
                    "stem": stem,
                    **{k: "" if math.isnan(v) else v for k, v in columns(scores).items()},
                    "NaN frames": scores.nan_frames,
                    "frames": scores.frames,
                    "tracks": scores.tracks,
                }
                if writer is None:
                    writer = csv.DictWriter(text, list(row))
                    writer.writeheader()
                writer.writerow(row)
    return text.getvalue()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, list | tuple) else value
