"""What a validation leaves: the checkpoints, a line in ``log.json``, and at the end a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stemsep.audio.atomic import partial_file
from stemsep.errors import MissingExtraError
from stemsep.plotting.curve import learning_curve
from stemsep.plotting.figure import save_figure
from stemsep.training.config import TrainConfig
from stemsep.training.state import Progress, Run, check_finite
from stemsep.training.task import Task

__all__ = ["draw_curve", "finite_mean", "keep", "note_score"]

Batch = TypeVar("Batch")


def note_score(progress: Progress, config: TrainConfig, score: float) -> bool:
    """Take in a score and return whether it is the best so far."""
    if score > progress.best:
        progress.best, progress.stale = score, 0
        return True
    progress.stale += 1
    if config.schedule == "plateau" and progress.stale % config.plateau_patience == 0:
        progress.reductions += 1
    return False


def keep(
    task: Task[Batch], run: Run, output: Path, scores: dict[str, float], *, better: bool
) -> dict[str, float]:
    """Write the averaged weights as last and perhaps best, and the line of the log; return it.

    Raises:
        WeightsError: they are not finite.
    """
    step, losses = run.progress.step, run.progress.losses
    check_finite(run.average, step)
    # A kill between the two must not leave a best score without its weights.
    for name in ("best", "last") if better else ("last",):
        task.save(run.average, output / f"{name}.safetensors", step, scores)
    skipped = sum(not math.isfinite(loss) for loss in losses)
    line = {"step": step, "loss": finite_mean(losses), "skipped": skipped, **scores}
    _append(output / "log.json", line)
    return line


def finite_mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are finite; NaN if none is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def draw_curve(output: Path, say: Callable[[str], None]) -> None:
    """Draw ``log.json`` as ``curve.png``; without matplotlib, say so."""
    try:
        save_figure(learning_curve(_entries(output / "log.json")), output / "curve.png")
    except MissingExtraError as error:
        say(f"no curve.png: {error}")


def _append(path: Path, line: dict[str, float]) -> None:
    # A run that was killed between a validation and its next state comes here twice.
    log = [entry for entry in _entries(path) if entry["step"] < line["step"]]
    # JSON has no NaN.
    log.append({key: value if math.isfinite(value) else None for key, value in line.items()})
    with partial_file(path) as temporary:
        temporary.write_text(json.dumps(log, indent=1) + "\n")


def _entries(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return entries
