"""What computes BSSEval: stemsep's own, fast, or museval itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import DatasetError, MissingExtraError, require
from stemsep.evaluation.stems import Stems

__all__ = ["ENGINES", "METRICS", "WINDOW_SECONDS", "Engine", "FrameScores", "engine_named"]

METRICS = ("SDR", "ISR", "SIR", "SAR")
ENGINES = ("fast", "museval")
WINDOW_SECONDS = 1.0
"""Length of a frame, and from one to the next: what museval reports for MUSDB18."""


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """BSSEval v4 of stems that were scored together, second by second.

    Args:
        stems: their names.
        values: metric -> ``(stems, frames)`` in dB; NaN where a frame does not count, and where a
            value is infinite.
        singular: whether the reference channels, filtered, can stand for each other (mono stems
            can), so that SIR and SAR are a matter of convention. None: the engine does not tell.
    """

    stems: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    singular: bool | None


class Engine(Protocol):
    """Scores stems that were put in the same order."""

    def __call__(self, *, estimates: Stems, references: Stems) -> FrameScores:
        """Return the scores of ``estimates``, which have the shape of ``references``."""


def engine_named(name: str, *, device: str = "cpu") -> Engine:
    """Return the engine of a name in `ENGINES`.

    Args:
        name: ``"fast"`` or ``"museval"``.
        device: of the fast one: ``"cpu"``, or one of torch's.

    Raises:
        MissingExtraError: museval is asked for and not installed.
    """
    if name == "museval":
        return _museval()
    from stemsep.evaluation.bss import bss_eval

    def fast(*, estimates: Stems, references: Stems) -> FrameScores:
        pair: dict[str, Any] = {"estimates": estimates, "references": references}
        scores = bss_eval(
            **pair,  # sliced like arrays
            sample_rate=references.sample_rate,
            window_seconds=WINDOW_SECONDS,
            hop_seconds=WINDOW_SECONDS,
            device=device,
        )
        values = (scores.sdr, scores.isr, scores.sir, scores.sar)
        return _frame_scores(references, values, singular=scores.singular)

    return fast


def _museval() -> Engine:
    try:
        museval: Any = require("museval", extra="bench")
    except RuntimeError as error:
        # Its stempeg looks for the ffmpeg program when it is imported.
        raise MissingExtraError(
            f"museval needs the ffmpeg program: install it ({error})"
        ) from error

    def engine(*, estimates: Stems, references: Stems) -> FrameScores:
        window = int(WINDOW_SECONDS * references.sample_rate)
        pair = (x[..., :].transpose(0, 2, 1).astype(np.float64) for x in (references, estimates))
        try:
            values = museval.evaluate(*pair, win=window, hop=window)
        except ValueError as error:
            raise DatasetError(f"museval refuses it: {error}; --engine fast does not") from error
        return _frame_scores(references, values, singular=None)

    return engine


def _frame_scores(stems: Stems, values: Any, *, singular: bool | None) -> FrameScores:
    finite = {
        metric: np.where(np.isfinite(value), value, np.nan)
        for metric, value in zip(METRICS, values, strict=True)
    }
    return FrameScores(stems=stems.names, values=finite, singular=singular)
