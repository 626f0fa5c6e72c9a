"""Estimates and true stems of one track -> all of its scores.

Stems are paired by name. Two sets of targets are scored apart, as museval does, because the
interference that SIR and SAR see depends on what else is in the set: the stems all together, and
vocals against accompaniment, the sum of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stemsep.errors import DatasetError
from stemsep.evaluation.engines import Engine, FrameScores, Group
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
    each = {stem: [stem] for stem in paired}
    joint = Group(estimates=each, references=each)
    pair = _two_targets(guess, references)
    # Vocals alone are scored beside accompaniment, where there is any.
    groups = [joint] if pair is None else [pair] if paired == [VOCALS] else [joint, pair]
    everything = joint
    if pair is not None:
        everything = Group(
            estimates={**each, **pair.estimates}, references={**each, **pair.references}
        )
    scored = engine(
        estimates=guess.select(_used(guess, everything.estimates)),
        references=references.select(_used(references, everything.references)),
        groups=groups,
    )
    whole = whole_track_measures(
        estimates=guess.summed(everything.estimates),
        references=references.summed(everything.references),
        spectral=spectral,
    )
    return TrackScores(joint=scored[0], two_targets=scored[-1] if pair else None, whole=whole)


def _used(stems: Stems, sums: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the stems that are in any of the sums."""
    used = {name for names in sums.values() for name in names}
    return [name for name in stems.names if name in used]


def _two_targets(guess: Stems, references: Stems) -> Group | None:
    """Return vocals and accompaniment, if both sides have both."""
    sides = [_accompaniment(stems, references) for stems in (guess, references)]
    if not all(sides) or not all(VOCALS in stems.names for stems in (guess, references)):
        return None
    estimates, true = ({VOCALS: [VOCALS], ACCOMPANIMENT: rest} for rest in sides)
    return Group(estimates=estimates, references=true)


def _accompaniment(stems: Stems, references: Stems) -> list[str]:
    """Return what accompaniment is the sum of; nothing if a stem of it is missing."""
    if ACCOMPANIMENT in stems.names:
        return [ACCOMPANIMENT]
    rest = [stem for stem in references.names if stem not in (VOCALS, ACCOMPANIMENT)]
    return rest if set(rest) <= set(stems.names) else []
