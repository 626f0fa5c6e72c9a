"""How training went: loss and validation score over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stemsep.plotting.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curve"]

LOSS, SCORE = "tab:gray", "tab:blue"


def learning_curve(log: Sequence[Mapping[str, float | None]]) -> Figure:
    """Return the picture of a run: its loss, its score, and where the score was best.

    Args:
        log: entries with ``step``, ``loss`` and ``score``, in the order of the steps; None where a
            value was not finite.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(width=8, height=4.5)
    axes = figure.subplots()
    steps, losses, scores = (_values(log, name) for name in ("step", "loss", "score"))
    axes.plot(steps, losses, ".-", color=LOSS)
    axes.set_xlabel("step")
    axes.set_ylabel("loss, mean since the point before", color=LOSS)
    axes.grid(alpha=0.3)
    right = axes.twinx()
    right.plot(steps, scores, ".-", color=SCORE)
    right.set_ylabel("validation score, higher is better", color=SCORE)
    known = [i for i, score in enumerate(scores) if math.isfinite(score)]
    if known:
        best = max(known, key=lambda i: scores[i])
        right.plot(steps[best], scores[best], "o", color=SCORE, markersize=9, fillstyle="none")
        axes.set_title(f"best score {scores[best]:.4g} at step {steps[best]:.0f}")
    return figure


def _values(log: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    values = [entry.get(name) for entry in log]
    return [math.nan if value is None else value for value in values]
