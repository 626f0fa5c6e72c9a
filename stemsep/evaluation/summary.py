"""Scores of many tracks -> one table per system, and tests of the differences between systems.

Two conventions stand side by side and are never mixed: museval's (the median over frames of one
second, then over tracks; here also the mean over tracks of the medians) and whole-track measures,
such as uSDR (the mean over tracks).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemsep.evaluation.engines import METRICS, FrameScores
from stemsep.evaluation.records import TrackRecord

__all__ = [
    "MEAN",
    "Difference",
    "StemSummary",
    "SystemSummary",
    "compare",
    "frame_median",
    "overall",
    "paired_difference",
    "summarise",
    "track_values",
]

MEAN = "mean"
"""Name of the row that is the mean over the stems of a table."""


@dataclass(frozen=True, kw_only=True)
class StemSummary:
    """Scores of one stem over all tracks, in dB unless the measure says otherwise.

    Args:
        median: BSSEval metric -> median over tracks of the median over frames.
        mean: BSSEval metric -> mean over tracks of the median over frames.
        whole: whole-track measure -> mean over tracks.
        nan_frames: frames that do not count, of all tracks.
        frames: frames of all tracks.
        tracks: tracks that have the stem.
    """

    median: Mapping[str, float]
    mean: Mapping[str, float]
    whole: Mapping[str, float]
    nan_frames: int
    frames: int
    tracks: int


@dataclass(frozen=True, kw_only=True)
class SystemSummary:
    """Scores of one system over all tracks.

    Args:
        system: its label.
        stems: stem -> scores of the stems scored jointly; the last, ``"mean"``, is the mean over
            the stems.
        two_targets: vocals and accompaniment, scored as two; empty where there is no such pair.
        tracks: how many.
    """

    system: str
    stems: Mapping[str, StemSummary]
    two_targets: Mapping[str, StemSummary]
    tracks: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Whether one system is better than another on one stem, track by track.

    Args:
        first: label.
        second: label.
        stem: its name, or ``"mean"``: the mean over the stems of a track.
        measure: what is compared, of each track.
        median: median over tracks of the second's score minus the first's.
        second_better: on how many tracks.
        tracks: how many have both scores.
        p: two-sided p-value of Wilcoxon's signed-rank test; NaN for fewer than two tracks.
    """

    first: str
    second: str
    stem: str
    measure: str
    median: float
    second_better: int
    tracks: int
    p: float


def frame_median(values: NDArray[np.float64]) -> float:
    """Return the median of the values that are not NaN; NaN if none is."""
    counted = values[~np.isnan(values)]
    return float(np.median(counted)) if len(counted) else math.nan


def summarise(system: str, records: Sequence[TrackRecord]) -> SystemSummary:
    """Return the scores of one system over its tracks."""
    joint = [(r.scores.joint, r.scores.whole) for r in records]
    pairs = [(r.scores.two_targets, r.scores.whole) for r in records if r.scores.two_targets]
    stems = _summaries(joint)
    if len(stems) > 1:
        stems[MEAN] = _mean(list(stems.values()))
    two_targets = _summaries([(pair, whole) for pair, whole in pairs if pair])
    return SystemSummary(system=system, stems=stems, two_targets=two_targets, tracks=len(records))


def track_values(record: TrackRecord, measure: str) -> dict[str, float]:
    """Return stem -> one score of a track, ``"mean"`` last, of the stems scored jointly.

    Args:
        record: the track.
        measure: a BSSEval metric (its median over frames), or a whole-track measure.
    """
    scores = record.scores
    if measure in METRICS:
        values = [frame_median(frames) for frames in scores.joint.values[measure]]
    else:
        values = [scores.whole[stem][measure] for stem in scores.joint.stems]
    named = dict(zip(scores.joint.stems, values, strict=True))
    return {**named, MEAN: float(np.mean(values))} if len(values) > 1 else named


def overall(record: TrackRecord) -> float:
    """Return museval's SDR of a track: the mean over its stems of the median over frames."""
    return list(track_values(record, "SDR").values())[-1]


def compare(
    first: Sequence[TrackRecord], second: Sequence[TrackRecord], *, measure: str
) -> list[Difference]:
    """Return a paired test per stem of two systems on the tracks that both have.

    Reference: F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6),
    1945.
    """
    others = {record.track: record for record in second}
    both = [(r, others[r.track]) for r in first if r.track in others]
    values = [(track_values(a, measure), track_values(b, measure)) for a, b in both]
    stems = dict.fromkeys(stem for a, b in values for stem in a if stem in b)
    found = []
    for stem in stems:
        pairs = np.array([(a[stem], b[stem]) for a, b in values if stem in a and stem in b])
        systems = (both[0][0].system, both[0][1].system)
        found.append(
            paired_difference(pairs[:, 0], pairs[:, 1], systems=systems, stem=stem, measure=measure)
        )
    return found


def paired_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    systems: tuple[str, str],
    stem: str,
    measure: str,
) -> Difference:
    """Return the test of two systems' scores on the same tracks; those that are NaN are left out.

    Args:
        first: ``(tracks,)``.
        second: of the same tracks.
        systems: their labels.
        stem: what the scores are of.
        measure: what the scores are.
    """
    change = second - first
    change = change[~np.isnan(change)]
    return Difference(
        first=systems[0],
        second=systems[1],
        stem=stem,
        measure=measure,
        median=frame_median(change),
        second_better=int((change > 0).sum()),
        tracks=len(change),
        p=_signed_rank(change),
    )


def _signed_rank(change: NDArray[np.float64]) -> float:
    if len(change) < 2:
        return math.nan
    if not change.any():
        return 1.0
    from scipy.stats import wilcoxon  # takes a second to import

    return float(wilcoxon(change).pvalue)


def _summaries(
    tracks: Sequence[tuple[FrameScores, Mapping[str, Mapping[str, float]]]],
) -> dict[str, StemSummary]:
    stems = dict.fromkeys(stem for scores, _ in tracks for stem in scores.stems)
    return {
        stem: _summary(
            [
                ({m: v[scores.stems.index(stem)] for m, v in scores.values.items()}, whole[stem])
                for scores, whole in tracks
                if stem in scores.stems
            ]
        )
        for stem in stems
    }


def _summary(
    tracks: Sequence[tuple[Mapping[str, NDArray[np.float64]], Mapping[str, float]]],
) -> StemSummary:
    """Return the summary of one stem: its frames ``(frames,)`` per metric, and measures."""
    medians = {m: np.array([frame_median(f[m]) for f, _ in tracks]) for m in METRICS}
    counted = {m: values[~np.isnan(values)] for m, values in medians.items()}
    return StemSummary(
        median={m: frame_median(values) for m, values in medians.items()},
        mean={m: float(v.mean()) if len(v) else math.nan for m, v in counted.items()},
        whole={m: _nanmean([w[m] for _, w in tracks]) for m in tracks[0][1]},
        nan_frames=sum(int(np.isnan(frames["SDR"]).sum()) for frames, _ in tracks),
        frames=sum(len(frames["SDR"]) for frames, _ in tracks),
        tracks=len(tracks),
    )


def _mean(stems: Sequence[StemSummary]) -> StemSummary:
    return StemSummary(
        median={m: float(np.mean([s.median[m] for s in stems])) for m in METRICS},
        mean={m: float(np.mean([s.mean[m] for s in stems])) for m in METRICS},
        whole={m: _nanmean([s.whole[m] for s in stems]) for m in stems[0].whole},
        nan_frames=sum(s.nan_frames for s in stems),
        frames=sum(s.frames for s in stems),
        tracks=max(s.tracks for s in stems),
    )


def _nanmean(values: Sequence[float]) -> float:
    counted = [value for value in values if not math.isnan(value)]
    return float(np.mean(counted)) if counted else math.nan
