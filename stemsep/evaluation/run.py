"""Many tracks, many systems: score what is not scored yet, one track at a time or several."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from stemsep import __version__
from stemsep.audio.atomic import remove_leftovers
from stemsep.evaluation.digests import file_digests
from stemsep.evaluation.engines import Engine, engine_named
from stemsep.evaluation.loading import LoadedTrack, load_track
from stemsep.evaluation.records import TrackRecord, read_record, write_record
from stemsep.evaluation.stems import Stems
from stemsep.evaluation.systems import Estimates, System, estimate, identity
from stemsep.evaluation.track_scores import score_track
from stemsep.evaluation.tracks import MIXTURE, TrackFiles

__all__ = ["Failure", "Plan", "TrackOutcome", "folder_name", "run"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to score, and where the scores go.

    Args:
        tracks: with their true stems.
        systems: what is scored on each.
        output: folder of the records; with several systems each has a folder of its own in it.
        engine: name of what computes BSSEval.
        device: of networks; the fast engine follows to a GPU that was named.
        museval_rounding: write BSSEval's values with 5 decimals.
        spectral: with the log-spectral distance, which takes as long as BSSEval.
    """

    tracks: Sequence[TrackFiles]
    systems: Sequence[System]
    output: Path
    engine: str = "fast"
    device: str = "auto"
    museval_rounding: bool = False
    spectral: bool = False

    def record_file(self, system: System, track: TrackFiles) -> Path:
        """Return where the scores of a system on a track are kept."""
        folder = self.output / folder_name(system.label) if len(self.systems) > 1 else self.output
        return folder / f"{track.name}.json"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What could not be scored, and why."""

    track: str
    system: str
    error: Exception
    traceback: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class TrackOutcome:
    """What became of a track.

    Args:
        track: its name.
        records: of each system that could be scored.
        reused: labels of systems whose scores were there already.
        failures: of the others.
        loaded: the sound of the only track of a run, and of its estimates, if it was just scored:
            reading it again for the report would take a good part of the time.
    """

    track: str
    records: Sequence[TrackRecord]
    reused: Sequence[str]
    failures: Sequence[Failure]
    loaded: tuple[LoadedTrack, Mapping[str, Stems]] | None = field(default=None, repr=False)


Step: TypeAlias = Callable[[], None]


def run(plan: Plan, *, jobs: int = 1, step: Step | None = None) -> Iterator[TrackOutcome]:
    """Score all tracks, and yield each as it is finished; with several jobs in any order.

    Each score is written at once, so that a run that is killed goes on where it was. One track
    that fails does not end the others.

    Args:
        plan: what to score.
        jobs: how many tracks at a time, each in a process of its own.
        step: called between the parts of the work, with one job only; may raise to stop it.
    """
    plan.output.mkdir(parents=True, exist_ok=True)
    for folder in {plan.record_file(s, t).parent for s in plan.systems for t in plan.tracks}:
        remove_leftovers(folder)
    if jobs == 1 or len(plan.tracks) == 1:
        engine = _engine(plan)
        for track in plan.tracks:
            yield _score(plan, track, engine, step)
        return
    # Not forked: torch and BLAS have threads that a fork would leave behind.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(plan.tracks)), context, _ignore_interrupt)
    try:
        waiting = [pool.submit(_score_in_process, plan, track) for track in plan.tracks]
        for future in as_completed(waiting):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and stops us


def _score_in_process(plan: Plan, track: TrackFiles) -> TrackOutcome:
    return _score(plan, track, _engine(plan), None)


def _engine(plan: Plan) -> Engine:
    return engine_named(plan.engine, device=plan.device if "cuda" in plan.device else "cpu")


def _score(plan: Plan, track: TrackFiles, engine: Engine, step: Step | None) -> TrackOutcome:
    def progress(_done: float = 0.0, _total: float | None = None) -> None:
        if step:
            step()

    loaded: LoadedTrack | None = None
    kept: dict[str, Stems] = {}
    records, reused, failures = [], [], []
    for system in plan.systems:
        try:
            progress()
            path = plan.record_file(system, track)
            inputs = _inputs(plan, system, track)
            record = read_record(path, inputs=inputs)
            if record:
                reused.append(system.label)
            else:
                if loaded is None:
                    mixture = not all(isinstance(s, Estimates) for s in plan.systems)
                    loaded = load_track(track, mixture=mixture)
                    progress()
                estimates = estimate(system, track, loaded, progress=progress)
                if len(plan.tracks) == 1:
                    kept[system.label] = estimates
                progress()
                scores = score_track(
                    estimates=estimates,
                    references=loaded.references,
                    engine=engine,
                    spectral=plan.spectral,
                )
                record = TrackRecord(
                    track=track.name, system=system.label, inputs=inputs, scores=scores
                )
                write_record(path, record, museval_rounding=plan.museval_rounding)
            records.append(record)
        except Exception as error:  # one bad track must not end the others
            text = traceback.format_exc()
            failures.append(
                Failure(track=track.name, system=system.label, error=error, traceback=text)
            )
    return TrackOutcome(
        track=track.name,
        records=records,
        reused=reused,
        failures=failures,
        loaded=(loaded, kept) if loaded and len(kept) == len(plan.systems) else None,
    )


def _inputs(plan: Plan, system: System, track: TrackFiles) -> dict[str, Any]:
    """Return all that the scores depend on."""
    needed = {
        name: path
        for name, path in track.files.items()
        if name != MIXTURE or not isinstance(system, Estimates)
    }
    return {
        "references": file_digests(needed),
        "estimates": identity(system, track),
        "engine": plan.engine,
        "decimals": "museval" if plan.museval_rounding else "all",
        "spectral": plan.spectral,
        "stemsep_version": __version__,
    }


def folder_name(label: str) -> str:
    """Return a label as the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_. " else "_" for c in label)
