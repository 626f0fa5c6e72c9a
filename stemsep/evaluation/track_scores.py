"""Estimates and true stems of one track -> all of its scores.

Stems are paired by name. Two sets of targets are scored apart, as museval does, because the
interference that SIR and SAR see depends on what else is in the set: the stems all together, and
vocals against accompaniment, the sum of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsep.errors import DatasetError
from stemsep.evaluation.engines import Engine, FrameScores
from stemsep.evaluation.stems import Stems
from stemsep.evaluation.tracks import ACCOMPANIMENT
from stemsep.evaluation.whole_track import whole_track_measures

__all__ = ["TrackScores", "score_track"]

VOCALS = "vocals"


@dataclass(frozen=True, kw_only=True)
class TrackScores:
    """All scores of one system on one track.

    Args:
        joint: of the stems, scored together.
        two_targets: of vocals and accompaniment, where there are both.
        whole: stem (accompaniment too) -> measure over the whole track -> value.
    """

    joint: FrameScores
    two_targets: FrameScores | None
    whole: Mapping[str, Mapping[str, float]]


def score_track(
    *, estimates: Stems, references: Stems, engine: Engine, spectral: bool = False
) -> TrackScores:
    """Return the scores of the stems that are in both; estimates are cut or padded to fit.

    Where there are vocals, they are scored against accompaniment as well: each side's own, or the
    sum of all its other stems. Estimates of nothing but these two are scored as these two.

    Args:
        estimates: of any length.
        references: the true stems.
        engine: what computes BSSEval.
        spectral: with the log-spectral distance.

    Raises:
        DatasetError: no stem is in both, or channels differ.
    """
    guess = estimates.fitted(references)
    paired = [s for s in references.names if s in guess.names and s != ACCOMPANIMENT]
    if not paired:
        raise DatasetError(
            f"no estimate has the name of a stem: the estimates are {', '.join(guess.names)}, "
            f"the stems {', '.join(references.names)}"
        )
    joint = (guess.select(paired), references.select(paired))
    pair = (_two_targets(guess, references), _two_targets(references, references))
    two_targets = engine(estimates=pair[0], references=pair[1]) if pair[0] and pair[1] else None
    whole = whole_track_measures(estimates=joint[0], references=joint[1], spectral=spectral)
    if pair[0] and pair[1]:
        rest = [side.select([ACCOMPANIMENT]) for side in (pair[0], pair[1])]
        whole |= whole_track_measures(estimates=rest[0], references=rest[1], spectral=spectral)
    if two_targets is None or paired != [VOCALS]:
        scores = engine(estimates=joint[0], references=joint[1])
    else:
        scores = two_targets
    return TrackScores(joint=scores, two_targets=two_targets, whole=whole)


def _two_targets(stems: Stems, references: Stems) -> Stems | None:
    """Return vocals and accompaniment, if there are both; the latter only as the sum of all."""
    rest = [stem for stem in references.names if stem not in (VOCALS, ACCOMPANIMENT)]
    if VOCALS not in stems.names or VOCALS not in references.names:
        return None
    if ACCOMPANIMENT in stems.names:
        return stems.select([VOCALS, ACCOMPANIMENT])
    if not rest or not set(rest) <= set(stems.names):
        return None
    accompaniment = stems.summed(ACCOMPANIMENT, rest)
    return stems.replace({**stems.select([VOCALS]).parts, **accompaniment.parts})
