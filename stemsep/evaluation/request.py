"""What a user asks for -> the tracks and systems to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsep.errors import ParameterError
from stemsep.evaluation.systems import Baseline, Estimates, Model, Oracle, System
from stemsep.evaluation.tracks import Subset, TrackFiles, find_folders, find_musdb, holds_pictures

__all__ = ["Request", "find_pictures", "find_systems", "find_tracks", "title"]

DEFAULT_MODEL = "default"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which tracks, and what is scored on them.

    Args:
        musdb: folder of MUSDB18.
        subset: its part; ``None`` for the test part.
        references: folder with a folder of true stems per track; instead of ``musdb``.
        estimates: folders with a folder of separated stems per track.
        models: names or files of networks; without any system at all, MUSDB18 is separated by the
            default one.
        oracles: kinds of `Oracle`.
        baselines: kinds of `Baseline`.
        device: of the networks.
        precision: of the networks.

    Raises:
        ParameterError: not exactly one source of tracks, nothing to score, or something twice.
    """

    musdb: Path | None = None
    subset: Subset | None = None
    references: Path | None = None
    estimates: Sequence[Path] = ()
    models: Sequence[str] = ()
    oracles: Sequence[str] = ()
    baselines: Sequence[str] = ()
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if (self.musdb is None) == (self.references is None):
            raise ParameterError("give the true stems: either --musdb, --sample or --references")
        if self.subset and self.musdb is None:
            raise ParameterError("--subset is a part of MUSDB18: it needs --musdb or --sample")
        asked = (self.estimates, self.models, self.oracles, self.baselines)
        if self.references is not None and not any(asked):
            raise ParameterError("give what to score: --estimates, --model, --oracle, --baseline")
        for given in asked:
            if len(set(given)) < len(given):
                raise ParameterError(f"something is given twice: {', '.join(map(str, given))}")

    @property
    def of_pictures(self) -> bool:
        """Whether the references are masks of pictures, and not sounds."""
        return self.references is not None and holds_pictures(self.references)


def find_tracks(request: Request) -> list[TrackFiles]:
    """Return the tracks that a request names.

    Raises:
        DatasetError: there are none.
    """
    if request.musdb is not None:
        return find_musdb(request.musdb, request.subset or "test")
    assert request.references is not None, "checked by Request"  # noqa: S101
    return find_folders(request.references)


def find_systems(request: Request) -> list[System]:
    """Return the systems that a request names, each with a label of its own.

    Raises:
        WeightsError: no such network, or a damaged one.
        ParameterError: no such folder of estimates, or a network twice.
    """
    systems: list[System] = []
    for folder in request.estimates:
        if not folder.is_dir():
            raise ParameterError(f"no folder of estimates '{folder}'")
        label = _label(folder.resolve().name, str(folder), systems)
        systems.append(Estimates(label=label, folder=folder))
    models = request.models
    if not (systems or models or request.oracles or request.baselines):
        models = (DEFAULT_MODEL,)
    for name in models:
        systems.append(_model(name, request, systems))
    systems += [Oracle(label=f"oracle {kind}", kind=kind) for kind in request.oracles]  # type: ignore[arg-type]
    systems += [Baseline(label=f"baseline {kind}", kind=kind) for kind in request.baselines]  # type: ignore[arg-type]
    return systems


def find_pictures(request: Request) -> tuple[Path, dict[str, Path]]:
    """Return the folder of true masks, and label -> folder of estimated ones.

    Raises:
        ParameterError: something else than folders of masks is to be scored.
    """
    systems = find_systems(request)
    folders = {system.label: system.folder for system in systems if isinstance(system, Estimates)}
    if len(folders) < len(systems) or request.references is None:
        raise ParameterError("of pictures, folders of masks are scored: give --estimates alone")
    return request.references, folders


def title(request: Request, tracks: int) -> str:
    """Return a line that says what was scored."""
    number = "1 track" if tracks == 1 else f"{tracks} tracks"
    if request.musdb is not None:
        return f"MUSDB18 {request.subset or 'test'} in {request.musdb.resolve().name}: {number}"
    assert request.references is not None, "checked by Request"  # noqa: S101
    return f"{request.references.resolve().name}: {number}"


def _model(name: str, request: Request, others: Sequence[System]) -> Model:
    from stemsep.weights.catalog import find_checkpoint, shipped_checkpoints
    from stemsep.weights.checkpoint import read_card

    checkpoint = find_checkpoint(name)
    same = [s.label for s in others if isinstance(s, Model) and s.checkpoint.samefile(checkpoint)]
    if same:
        raise ParameterError(f"'{name}' is the same network as '{same[0]}'")
    read_card(checkpoint)  # a damaged one is told once, not once a track
    short = name if name in shipped_checkpoints() else Path(name).stem
    return Model(
        label=_label(short, name, others),
        checkpoint=checkpoint,
        device=request.device,
        precision=request.precision,
    )


def _label(short: str, full: str, others: Sequence[System]) -> str:
    taken = [system.label for system in others]
    free = (label for label in (short, full) if label not in taken)
    return next(free, f"{full} ({len(others) + 1})")
