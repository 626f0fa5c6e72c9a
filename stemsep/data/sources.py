"""What a recipe says about its data -> tracks: one entry a data set, of one of five kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from stemsep.data.decoded import Decoder
from stemsep.data.folder import read_folder, read_loose_stems, read_songs
from stemsep.data.generated import generate_tracks
from stemsep.data.musdb import Split, read_musdb
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError, ParameterError, check_choices

__all__ = ["SourceConfig", "read_source"]


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One set of songs or stems.

    Args:
        kind: ``folder`` has a folder for each song, with a file for each stem; ``musdb`` is MUSDB18
            or MUSDB18-HQ; ``stems`` has a folder for each stem, with any sound files; ``songs`` has
            sound files without stems, to learn from a teacher; ``synthetic`` is made from notes.
        path: the folder, below the data folder; of all kinds but ``synthetic``.
        split: the part of ``musdb``.
        weight: share of the excerpts that come from here, beside those of the other sources.
        only: names of the only songs to take; empty takes all.
        exclude: names of songs to leave out.
        only_stems: names of the only stems to take: the songs' others are silent. Empty takes all.
        reliable: song of a ``folder`` -> stems that can be trusted, where not all can: the others
            are heard, but not learned from.
        tracks: how many songs of ``synthetic`` to make.
        seconds: length of each.
        seed: of the set: sets of different seeds share no song.
        samples: folders, below the data folder, of instruments and drum kits that they play.
        midi: files or folders, below the data folder, of what they play.
        solo: of each of these songs one player, no singer, is alone: what an instrument sounds
            like with nothing around it.
        notes: no songs, but one instrument of ``samples`` each, note after note as it was recorded.

    Raises:
        ParameterError: a value out of range, or one that this kind does not have.
    """

    path: str = ""
    kind: Literal["folder", "musdb", "stems", "songs", "synthetic"] = "folder"
    split: Split = "train"
    weight: float = 1.0
    only: Sequence[str] = ()
    exclude: Sequence[str] = ()
    only_stems: Sequence[str] = ()
    reliable: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tracks: int = 0
    seconds: float = 20.0
    seed: int = 0
    samples: Sequence[str] = ()
    midi: Sequence[str] = ()
    solo: bool = False
    notes: bool = False

    def __post_init__(self) -> None:
        check_choices(self)
        made = self.kind == "synthetic"
        if made == bool(self.path):
            raise ParameterError(
                f"path = '{self.path}' with kind = '{self.kind}': "
                + ("songs made from notes have none" if made else "name the folder")
            )
        if made != (self.tracks > 0) or not 0.1 <= self.seconds <= 3600 or self.seed < 0:
            raise ParameterError(
                f"tracks = {self.tracks}, seconds = {self.seconds}, seed = {self.seed}: kind = "
                "'synthetic' makes 1 or more tracks of 0.1 to 3600 seconds, from a seed of 0 or "
                "more; other kinds make none"
            )
        if (self.samples or self.midi or self.solo or self.notes) and not made:
            raise ParameterError(
                f"samples, midi, solo and notes go with kind = 'synthetic', not '{self.kind}'"
            )
        if self.notes and (self.midi or self.solo or not self.samples):
            raise ParameterError("notes goes with samples, without midi and solo")
        if self.only_stems and self.kind not in ("folder", "musdb"):
            raise ParameterError(f"only_stems goes with songs of stems, not kind = '{self.kind}'")
        if not self.weight > 0:
            raise ParameterError(f"weight = {self.weight}: it must be above 0")
        if self.reliable and self.kind != "folder":
            raise ParameterError(f"reliable goes with kind = 'folder', not '{self.kind}'")
        if self.split != "train" and self.kind != "musdb":
            raise ParameterError(f"split goes with kind = 'musdb', not '{self.kind}'")


def read_source(
    config: SourceConfig, root: Path | None, *, decoder: Decoder, stems: Sequence[str] = STEMS
) -> list[Track]:
    """Return the tracks of a source.

    Args:
        config: which.
        root: the data folder that its paths are below; None if there is none.
        decoder: what they are decoded to.
        stems: names of the stems.

    Raises:
        DatasetError: a folder that is missing or holds nothing of that kind, or no data folder.
        AudioFileError: a file that cannot be read.
    """
    if config.kind == "synthetic":
        return generate_tracks(
            config.tracks,
            seconds=config.seconds,
            seed=config.seed,
            sample_rate=decoder.sample_rate,
            samples=[_below(root, path) for path in config.samples],
            midi=[_below(root, path) for path in config.midi],
            solo=config.solo,
            notes=config.notes,
        )
    folder, only, exclude = _below(root, config.path), config.only, config.exclude
    if config.kind == "stems":
        return read_loose_stems(folder, decoder=decoder, stems=stems, only=only, exclude=exclude)
    if config.kind == "songs":
        return read_songs(folder, decoder=decoder, only=only, exclude=exclude)
    if config.kind == "musdb":
        songs = read_musdb(folder, split=config.split, decoder=decoder, only=only, exclude=exclude)
    else:
        songs = read_folder(
            folder,
            decoder=decoder,
            stems=stems,
            only=only,
            exclude=exclude,
            reliable=config.reliable,
        )
    return _with_only(songs, config.only_stems) if config.only_stems else songs


def _with_only(songs: Sequence[Track], stems: Sequence[str]) -> list[Track]:
    """Return the songs that have some of these stems, without the others."""
    taken = [{name: song.stems[name] for name in stems if name in song.stems} for song in songs]
    found = [
        replace(song, stems=sounds, mixture=None)
        for song, sounds in zip(songs, taken, strict=True)
        if sounds
    ]
    if not found:
        raise DatasetError(f"no song has {', '.join(stems)}, as only_stems asks for")
    return found


def _below(root: Path | None, path: str) -> Path:
    if root is None:
        raise DatasetError(f"the recipe wants '{path}': name the folder it is in (--data)")
    return root / path
