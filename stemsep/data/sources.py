"""What a recipe says about its data -> tracks: one entry a data set, of one of five kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stemsep.data.decoded import Decoder
from stemsep.data.folder import read_folder, read_loose_stems, read_songs
from stemsep.data.musdb import Split, read_musdb
from stemsep.data.track import STEMS, Track
from stemsep.errors import ParameterError, check_choices

__all__ = ["SourceConfig", "read_source"]


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One set of songs or stems.

    Args:
        kind: ``folder`` has a folder for each song, with a file for each stem; ``musdb`` is MUSDB18
            or MUSDB18-HQ; ``stems`` has a folder for each stem, with any sound files; ``songs`` has
            sound files without stems, to learn from a teacher.
        path: the folder, below the data folder.
        split: the part of ``musdb``.
        weight: share of the excerpts that come from here, beside those of the other sources.
        only: names of the only songs to take; empty takes all.
        exclude: names of songs to leave out.
        reliable: song of a ``folder`` -> stems that can be trusted, where not all can: the others
            are heard, but not learned from.

    Raises:
        ParameterError: a value out of range, or one that this kind does not have.
    """

    path: str
    kind: Literal["folder", "musdb", "stems", "songs"] = "folder"
    split: Split = "train"
    weight: float = 1.0
    only: Sequence[str] = ()
    exclude: Sequence[str] = ()
    reliable: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choices(self)
        if not self.weight > 0:
            raise ParameterError(f"weight = {self.weight}: it must be above 0")
        if self.reliable and self.kind != "folder":
            raise ParameterError(f"reliable goes with kind = 'folder', not '{self.kind}'")
        if self.split != "train" and self.kind != "musdb":
            raise ParameterError(f"split goes with kind = 'musdb', not '{self.kind}'")


def read_source(
    config: SourceConfig, root: Path, *, decoder: Decoder, stems: Sequence[str] = STEMS
) -> list[Track]:
    """Return the tracks of a source.

    Args:
        config: which.
        root: the data folder that its path is below.
        decoder: what they are decoded to.
        stems: names of the stems.

    Raises:
        DatasetError: a folder that is missing or holds nothing of that kind.
        AudioFileError: a file that cannot be read.
    """
    folder, only, exclude = root / config.path, config.only, config.exclude
    if config.kind == "musdb":
        return read_musdb(folder, split=config.split, decoder=decoder, only=only, exclude=exclude)
    if config.kind == "stems":
        return read_loose_stems(folder, decoder=decoder, stems=stems, only=only, exclude=exclude)
    if config.kind == "songs":
        return read_songs(folder, decoder=decoder, only=only, exclude=exclude)
    return read_folder(
        folder,
        decoder=decoder,
        stems=stems,
        only=only,
        exclude=exclude,
        reliable=config.reliable,
    )
