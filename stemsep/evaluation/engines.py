"""What computes BSSEval: stemsep's own, fast, or museval itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import DatasetError, MissingExtraError, require
from stemsep.evaluation.stems import Stems

__all__ = ["ENGINES", "METRICS", "WINDOW_SECONDS", "Engine", "FrameScores", "Group", "engine_named"]

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


@dataclass(frozen=True, kw_only=True)
class Group:
    """Targets that are scored together.

    Args:
        estimates: target -> the estimates that it is the sum of.
        references: target -> the true stems that it is the sum of; the same targets.
    """

    estimates: Mapping[str, Sequence[str]]
    references: Mapping[str, Sequence[str]]


class Engine(Protocol):
    """Scores groups of targets that are sums of stems."""

    def __call__(
        self, *, estimates: Stems, references: Stems, groups: Sequence[Group]
    ) -> list[FrameScores]:
        """Return the scores of each group; all stems have the same channels and samples."""


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
    from stemsep.evaluation.bss import Sums, bss_eval_of_sums

    def fast(*, estimates: Stems, references: Stems, groups: Sequence[Group]) -> list[FrameScores]:
        sums = [
            Sums(
                estimates=_matrix(group.estimates, estimates.names),
                references=_matrix(group.references, references.names),
            )
            for group in groups
        ]
        pair: dict[str, Any] = {"estimates": estimates, "references": references}
        scored = bss_eval_of_sums(
            **pair,  # sliced like arrays
            groups=sums,
            sample_rate=references.sample_rate,
            window_seconds=WINDOW_SECONDS,
            hop_seconds=WINDOW_SECONDS,
            device=device,
        )
        return [
            _frame_scores(group, (s.sdr, s.isr, s.sir, s.sar), singular=s.singular)
            for group, s in zip(groups, scored, strict=True)
        ]

    return fast


def _matrix(sums: Mapping[str, Sequence[str]], names: Sequence[str]) -> NDArray[np.float64]:
    """Return which names are in which sum, ``(sums, names)``."""
    return np.array([[float(name in of_sum) for name in names] for of_sum in sums.values()])


def _museval() -> Engine:
    try:
        museval: Any = require("museval", extra="bench")
    except RuntimeError as error:
        # Its stempeg looks for the ffmpeg program when it is imported.
        raise MissingExtraError(
            f"museval needs the ffmpeg program: install it ({error})"
        ) from error

    def engine(
        *, estimates: Stems, references: Stems, groups: Sequence[Group]
    ) -> list[FrameScores]:
        window = int(WINDOW_SECONDS * references.sample_rate)
        scored = []
        for group in groups:
            targets = references.summed(group.references), estimates.summed(group.estimates)
            pair = (x[..., :].transpose(0, 2, 1).astype(np.float64) for x in targets)
            try:
                values = museval.evaluate(*pair, win=window, hop=window)
            except ValueError as error:
                raise DatasetError(
                    f"museval refuses it: {error}; --engine fast does not"
                ) from error
            scored.append(_frame_scores(group, values, singular=None))
        return scored

    return engine


def _frame_scores(group: Group, values: Any, *, singular: bool | None) -> FrameScores:
    finite = {
        metric: np.where(np.isfinite(value), value, np.nan)
        for metric, value in zip(METRICS, values, strict=True)
    }
    return FrameScores(stems=tuple(group.references), values=finite, singular=singular)
