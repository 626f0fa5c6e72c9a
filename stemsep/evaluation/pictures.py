"""Scores of tracks -> PNG files: boxes per stem, systems against each other, tracks over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from stemsep.evaluation.loading import load_track
from stemsep.evaluation.records import TrackRecord
from stemsep.evaluation.summary import overall, track_values
from stemsep.evaluation.tables import Report
from stemsep.evaluation.tracks import TrackFiles
from stemsep.plotting.figure import save_figure
from stemsep.plotting.scores import draw_boxes, draw_pairs, draw_track

__all__ = ["Picture", "draw_pictures"]

MEASURE = "museval SDR"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG file and what stands below it."""

    path: Path
    caption: str


def draw_pictures(report: Report, tracks: Sequence[TrackFiles], folder: Path) -> Iterator[Picture]:
    """Draw the scores, and the tracks on which the first system is best and worst.

    Args:
        report: the scores.
        tracks: where the true stems are.
        folder: of the pictures, made if missing.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the folder cannot be written, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scores = {
        label: {r.track: track_values(r, "SDR") for r in records}
        for label, records in report.records.items()
    }
    if len(tracks) > 1:
        path = folder / "boxes.png"
        by_stem = {label: _by_stem(of, list(of)) for label, of in scores.items()}
        save_figure(draw_boxes(by_stem, measure=MEASURE), path)
        caption = f"{MEASURE} per stem: median, quartiles, and each track as a dot"
        yield Picture(path=path, caption=caption)
        for number, (first, second) in enumerate(combinations(report.rivals, 2), 1):
            both = [track for track in scores[first] if track in scores[second]]
            pair = [(label, _by_stem(scores[label], both)) for label in (first, second)]
            path = folder / f"pair-{number}.png"
            save_figure(draw_pairs(pair[0], pair[1], measure=MEASURE), path)
            caption = f"Each track: above the line {second} is better than {first}"
            yield Picture(path=path, caption=caption)
    for name, which in _best_and_worst(next(iter(report.records.values()), [])).items():
        files = next(track for track in tracks if track.name == name)
        path = folder / f"track-{which}.png"
        _draw_track(report, files, path)
        yield Picture(path=path, caption=f"{name}: true stems, and {MEASURE} of each second")


def _by_stem(tracks: dict[str, dict[str, float]], names: Sequence[str]) -> dict[str, list[float]]:
    stems = dict.fromkeys(stem for name in names for stem in tracks[name])
    return {stem: [tracks[name].get(stem, np.nan) for name in names] for stem in stems}


def _best_and_worst(records: Sequence[TrackRecord]) -> dict[str, str]:
    ranked = sorted((r for r in records if np.isfinite(overall(r))), key=overall)
    if not ranked:
        return {}
    return {ranked[0].track: "worst", ranked[-1].track: "best"}


def _draw_track(report: Report, files: TrackFiles, path: Path) -> None:
    stems = load_track(files, mixture=False).references
    lines, names = {}, []
    for label, records in report.records.items():
        for record in records:
            if record.track == files.name:
                joint = record.scores.joint
                lines[label] = dict(zip(joint.stems, joint.values["SDR"], strict=True))
                names += [s for s in joint.stems if s in stems.names and s not in names]
    figure = draw_track(
        {name: stems.whole(name) for name in names},
        lines,
        sample_rate=stems.sample_rate,
        title=files.name,
        measure=MEASURE,
    )
    save_figure(figure, path)
