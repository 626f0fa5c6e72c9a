"""Scores of one track <-> its JSON file, which museval's own tools read as well.

The file has museval's structure (``targets``, ``frames``, ``metrics``; NaN as museval writes it)
and beside it what museval does not have: the two-target figures, measures over the whole track, and
what the scores were made from. They are taken up again only if that is still the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemsep.audio.atomic import partial_file
from stemsep.errors import DatasetError
from stemsep.evaluation.engines import METRICS, WINDOW_SECONDS, FrameScores
from stemsep.evaluation.track_scores import TrackScores

__all__ = ["MUSEVAL_VERSION", "TrackRecord", "read_record", "record_document", "write_record"]

MUSEVAL_VERSION = "0.4.1"
"""The museval whose definitions the scores follow."""

MUSEVAL_DECIMALS = 5


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """Scores, and what they were made from.

    Args:
        track: its name.
        system: label of what was scored.
        inputs: digests of references and estimates, engine and precision of the numbers: scores of
            equal inputs are equal.
        scores: in dB.
    """

    track: str
    system: str
    inputs: Mapping[str, Any]
    scores: TrackScores


def write_record(path: Path, record: TrackRecord, *, museval_rounding: bool) -> None:
    """Write a record; the file is complete or not there.

    Raises:
        DatasetError: there is a file of that name that stemsep did not write.
        OSError: the folder cannot be written, or the disk is full.
    """
    if path.exists() and "inputs" not in _parsed(path):
        raise DatasetError(f"'{path}' is there and not stemsep's: choose another --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    document = record_document(record, museval_rounding=museval_rounding)
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_record(path: Path, *, inputs: Mapping[str, Any]) -> TrackRecord | None:
    """Return the record in a file, or None if it is not there, damaged, or of other inputs."""
    document = _parsed(path)
    if document.get("inputs") != inputs:
        return None
    pair = document["two_targets"]
    return TrackRecord(
        track=document["track"],
        system=document["system"],
        inputs=document["inputs"],
        scores=TrackScores(
            joint=_frame_scores(document["targets"], document["singular"], document["joint"]),
            two_targets=pair and _frame_scores(pair["targets"], pair["singular"]),
            whole=document["whole_track"],
        ),
    )


def record_document(record: TrackRecord, *, museval_rounding: bool) -> dict[str, Any]:
    """Return the record as museval's structure with stemsep's additions.

    ``targets`` are the stems, scored jointly, and accompaniment, which is scored beside vocals
    alone; ``two_targets`` are those two.

    Args:
        record: the scores.
        museval_rounding: round BSSEval's values to 5 decimals, as museval does.
    """
    scores, decimals = record.scores, MUSEVAL_DECIMALS if museval_rounding else None
    targets = _targets(scores.joint, decimals)
    pair = scores.two_targets
    of_pair = _targets(pair, decimals) if pair else []
    if pair is not scores.joint:
        targets += of_pair[1:]
    return {
        "museval_version": MUSEVAL_VERSION,
        "targets": targets,
        "two_targets": pair and {"targets": of_pair, "singular": pair.singular},
        "joint": scores.joint.stems,
        "singular": scores.joint.singular,
        "whole_track": scores.whole,
        "track": record.track,
        "system": record.system,
        "inputs": record.inputs,
    }


def _targets(scores: FrameScores, decimals: int | None) -> list[dict[str, Any]]:
    def frame(stem: int, index: int) -> dict[str, Any]:
        values = {m: float(scores.values[m][stem, index]) for m in METRICS}
        rounded = {m: v if decimals is None else round(v, decimals) for m, v in values.items()}
        return {
            "time": index * WINDOW_SECONDS,
            "duration": WINDOW_SECONDS,
            "metrics": rounded,
        }

    frames = scores.values["SDR"].shape[1]
    return [
        {"name": name, "frames": [frame(stem, index) for index in range(frames)]}
        for stem, name in enumerate(scores.stems)
    ]


def _frame_scores(
    targets: Sequence[Mapping[str, Any]], singular: bool | None, names: Sequence[str] | None = None
) -> FrameScores:
    wanted = [target for target in targets if names is None or target["name"] in names]
    values = {
        metric: np.array([[f["metrics"][metric] for f in t["frames"]] for t in wanted])
        for metric in METRICS
    }
    return FrameScores(stems=tuple(t["name"] for t in wanted), values=values, singular=singular)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
