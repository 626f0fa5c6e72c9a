"""What became of songs, as JSON: numbers for programs, and for people who keep records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from stemsep import __version__
from stemsep.audio.atomic import partial_file
from stemsep.separation.results import FileResult
from stemsep.weights.checkpoint import read_card
from stemsep.weights.digest import file_digest

__all__ = ["done_entry", "failed_entry", "report", "write_report"]


def done_entry(result: FileResult, *, load_seconds: float) -> dict[str, Any]:
    """Return what became of a song.

    ``real_time_factor`` is seconds of work for a second of sound. Its parts overlap, and loading
    the network happens once for all songs.

    Args:
        result: of the song.
        load_seconds: what loading the network took.
    """
    parts = {
        "load": load_seconds,
        "decode": result.timings.decode,
        "network": result.timings.network,
        "encode": result.timings.encode,
        "total": result.elapsed,
    }
    return {
        "path": str(result.path),
        "status": "done" if result.written or result.picture else "skipped",
        "error": None,
        "seconds_in": _number(result.seconds_in),
        "seconds_out": _number(result.seconds),
        "missing_seconds": _number(result.missing_seconds),
        "elapsed_seconds": _number(result.elapsed),
        "real_time_factor": {
            name: _number(seconds / result.seconds) if result.seconds else None
            for name, seconds in parts.items()
        },
        "peak": _number(result.peak, 6),
        "gain_db": _number(result.gain_db),
        "residual_db": _number(result.residual_db, 2),
        "samples_clipped": result.clipped,
        "samples_corrected": result.corrected,
        "written": {stem: str(path) for stem, path in result.written.items()},
        "kept": {stem: str(path) for stem, path in result.kept.items()},
        "picture": None if result.picture is None else str(result.picture),
    }


def failed_entry(path: Path, error: str) -> dict[str, Any]:
    """Return what became of a song that could not be separated."""
    return {"path": str(path), "status": "failed", "error": error}


def report(
    entries: Sequence[Mapping[str, Any]],
    *,
    model: str,
    checkpoint: Path,
    device: str,
    precision: str,
    load_seconds: float,
) -> dict[str, Any]:
    """Return the report of a run.

    Args:
        entries: one for each song.
        model: what the network was asked for by.
        checkpoint: its file.
        device: where it ran.
        precision: of it.
        load_seconds: what loading it took.
    """
    _, card = read_card(checkpoint)
    states = [entry["status"] for entry in entries]
    return {
        "stemsep": __version__,
        "model": {
            "name": model,
            "sha256": file_digest(checkpoint),
            "license": card.license,
            "training_data": card.training_data,
        },
        "device": device,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "load_seconds": _number(load_seconds),
        **{state: states.count(state) for state in ("done", "skipped", "failed")},
        "files": list(entries),
    }


def write_report(content: Mapping[str, Any], path: Path) -> None:
    """Write a report; the file is complete or not there.

    Raises:
        OSError: it cannot be written.
    """
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _number(value: float | None, digits: int = 4) -> float | None:
    """Return a rounded number; what JSON has no number for is null."""
    return round(value, digits) if value is not None and math.isfinite(value) else None
