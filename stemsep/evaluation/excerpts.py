"""The best and the worst second of each stem -> short sounds to listen to."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from stemsep.evaluation.engines import WINDOW_SECONDS
from stemsep.evaluation.loading import LoadedTrack, load_track
from stemsep.evaluation.records import TrackRecord
from stemsep.evaluation.stems import Stems
from stemsep.evaluation.systems import Estimates, System, estimate
from stemsep.evaluation.tracks import TrackFiles

__all__ = ["Excerpt", "Pick", "extremes", "make_excerpts"]

MARGIN_SECONDS = 1.0
"""Heard before and after the second that was scored."""

CONTEXT_SECONDS = 3.0
"""What a network gets before and after that, so that the excerpt sounds as in the whole track."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One second of one stem of one track.

    Args:
        track: its name.
        stem: its name.
        best: the second with the highest SDR; else that with the lowest.
        seconds: where it starts.
    """

    track: str
    stem: str
    best: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """Sounds of one pick: name -> a FLAC file of 16 bit, which every browser plays."""

    pick: Pick
    files: Mapping[str, bytes]


def extremes(records: Sequence[TrackRecord]) -> list[Pick]:
    """Return the best and the worst second of each stem over all tracks, by museval SDR."""
    chosen: dict[tuple[str, bool], tuple[float, Pick]] = {}
    for record in records:
        joint = record.scores.joint
        for stem, frames in zip(joint.stems, joint.values["SDR"], strict=True):
            if np.isnan(frames).all():
                continue
            for best, index in ((True, np.nanargmax(frames)), (False, np.nanargmin(frames))):
                goodness = float(frames[index] if best else -frames[index])
                if goodness > chosen.get((stem, best), (-np.inf,))[0]:
                    seconds = float(index) * WINDOW_SECONDS
                    pick = Pick(track=record.track, stem=stem, best=best, seconds=seconds)
                    chosen[stem, best] = goodness, pick
    return [pick for _, pick in chosen.values()]


def make_excerpts(
    picks: Sequence[Pick],
    tracks: Sequence[TrackFiles],
    systems: Sequence[System],
    sounds: Mapping[str, tuple[LoadedTrack, Mapping[str, Stems]]],
) -> Iterator[Excerpt]:
    """Yield the sounds of picks, track by track: mixture, truth, and each system's estimate.

    Args:
        picks: what to cut.
        tracks: where the true stems are.
        systems: what was scored.
        sounds: track -> its sound and all systems' estimates, of those that are in memory.

    Raises:
        StemsepError: a file that was there when it was scored is not any more.
    """
    files = {track.name: track for track in tracks}
    for name, of_track in groupby(sorted(picks, key=_by_track), key=_by_track):
        if name in sounds:
            loaded, ready = sounds[name]
        else:
            loaded = load_track(files[name], mixture=True)
            separated = [s for s in systems if isinstance(s, Estimates)]
            ready = {s.label: estimate(s, files[name], loaded) for s in separated}
        for pick in of_track:
            yield _excerpt(pick, loaded, files[name], systems, ready)


def _by_track(pick: Pick) -> str:
    return pick.track


def _excerpt(
    pick: Pick,
    track: LoadedTrack,
    files: TrackFiles,
    systems: Sequence[System],
    ready: Mapping[str, Stems],
) -> Excerpt:
    rate = track.references.sample_rate
    start = max(0, round((pick.seconds - MARGIN_SECONDS) * rate))
    stop = round((pick.seconds + WINDOW_SECONDS + MARGIN_SECONDS) * rate)
    before = min(start, round(CONTEXT_SECONDS * rate))
    part = track.cut(start - before, stop + round(CONTEXT_SECONDS * rate))
    kept = slice(before, before + stop - start)
    sounds = {
        "mixture": part.mixture[:, kept],
        "truth": part.references.whole(pick.stem)[:, kept],
    }
    for system in systems:
        if system.label in ready:
            stems = ready[system.label].fitted(track.references).cut(start, stop)
            found, span = stems, slice(None)
        else:
            found, span = estimate(system, files, part), kept
        if pick.stem in found.names:
            sounds[system.label] = found.whole(pick.stem)[:, span]
    return Excerpt(pick=pick, files={name: _flac(x, rate) for name, x in sounds.items()})


def _flac(waveform: NDArray[np.float32], sample_rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1).T, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
