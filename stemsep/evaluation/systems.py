"""What can be scored: folders of estimates, networks, upper bounds and floors.

Each is a small frozen record that travels to other processes; `estimate` does its work there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stemsep.errors import DatasetError
from stemsep.evaluation.digests import file_digests
from stemsep.evaluation.loading import LoadedTrack, read_stems
from stemsep.evaluation.stems import Held, Stems, stems_of
from stemsep.evaluation.tracks import ACCOMPANIMENT, TrackFiles, stem_files

if TYPE_CHECKING:
    from stemsep.separation import Separator

__all__ = ["Baseline", "Estimates", "Model", "Oracle", "System", "estimate", "identity"]

Progress: TypeAlias = Callable[[float, float | None], None]
"""Called with the seconds done, and those of the track."""


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Stems that somebody has separated already: one folder per track, as museval wants them.

    Args:
        label: what reports call it.
        folder: holds ``TRACK/vocals.wav`` and so on; museval's ``test/TRACK`` is found as well.
    """

    label: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network that separates the mixtures.

    Args:
        label: what reports call it.
        checkpoint: its file.
        device: what it runs on.
        precision: what it computes in.
    """

    label: str
    checkpoint: Path
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The best that masks can do: they are computed from the true stems."""

    label: str
    kind: Literal["irm1", "irm2", "ibm", "mwf"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What takes no work: the mixture itself as each stem, or each stem's even share of it."""

    label: str
    kind: Literal["mixture", "quarter"]


System: TypeAlias = Estimates | Model | Oracle | Baseline


def estimate(
    system: System, files: TrackFiles, track: LoadedTrack, *, progress: Progress | None = None
) -> Stems:
    """Return a system's stems of a track, at the track's rate.

    Args:
        system: what to score.
        files: where the track is, which says where its estimates are.
        track: its sound.
        progress: of a network.

    Raises:
        AudioFileError: an estimate cannot be read.
        DatasetError: there are no estimates of this track, or of another sample rate.
        WeightsError: the network cannot be loaded.
    """
    if isinstance(system, Estimates):
        return _read_estimates(system, files, track)
    return stems_of(
        {stem: [waveform] for stem, waveform in _computed(system, track, progress).items()},
        rate=track.references.sample_rate,
    )


def identity(system: System, files: TrackFiles) -> dict[str, Any]:
    """Return what a system's estimates of a track depend on, ready for JSON.

    Two that are equal here give the same estimates.

    Raises:
        DatasetError: there are no estimates of this track.
    """
    if isinstance(system, Estimates):
        return {"kind": "estimates", "sha256": file_digests(_estimate_files(system, files))}
    if isinstance(system, Model):
        digest = file_digests({"checkpoint": system.checkpoint})
        return {"kind": "model", "sha256": digest, "precision": system.precision}
    return {"kind": type(system).__name__.lower(), "name": system.kind}


def _estimate_files(system: Estimates, files: TrackFiles) -> dict[str, Path]:
    for place in files.places:
        folder = system.folder / place
        if folder.is_dir() and (found := stem_files(folder)):
            return {s: path for s, path in found.items() if s in {*files.stems, ACCOMPANIMENT}}
    raise DatasetError(f"no estimates of '{files.name}' in '{system.folder}'")


def _read_estimates(system: Estimates, files: TrackFiles, track: LoadedTrack) -> Stems:
    stems = read_stems(_estimate_files(system, files))
    if stems.sample_rate != track.references.sample_rate:
        raise DatasetError(
            f"the estimates in '{system.folder}' have {stems.sample_rate} Hz, the references "
            f"{track.references.sample_rate}: resample them"
        )
    return stems


def _computed(
    system: Model | Oracle | Baseline, track: LoadedTrack, progress: Progress | None
) -> Mapping[str, Held]:
    mixture, stems = track.mixture, track.references
    if isinstance(system, Model):
        separated = _separator(system).separate(mixture, stems.sample_rate, progress=progress)
        return {stem: waveform.numpy() for stem, waveform in separated.items()}
    if isinstance(system, Oracle):
        from stemsep.evaluation.oracle import ideal_estimates

        return ideal_estimates(stems, mixture, kind=system.kind)
    share = 1 / len(stems.names) if system.kind == "quarter" else 1
    return dict.fromkeys(stems.names, mixture * np.float32(share))


@lru_cache(maxsize=1)
def _separator(system: Model) -> Separator:
    from stemsep.separation import Separator

    return Separator.from_pretrained(
        system.checkpoint, device=system.device, precision=system.precision
    )
