"""Folders -> the tracks to score: which files hold a track's stems.

A track is a folder of sound files named after their stems, or one of MUSDB18's ``.stem.mp4``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.data.musdb import VALID_TRACKS
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError

__all__ = [
    "ACCOMPANIMENT",
    "CONTAINER",
    "MIXTURE",
    "PICTURE_SUFFIXES",
    "Subset",
    "TrackFiles",
    "find_folders",
    "find_musdb",
    "holds_pictures",
    "stem_files",
]

MIXTURE, CONTAINER, ACCOMPANIMENT = "mixture", "container", "accompaniment"
STEM_FILE = ".stem.mp4"
PICTURE_SUFFIXES = frozenset(".png .tif .tiff .bmp .gif .webp .jpg .jpeg .npy".split())
Subset: TypeAlias = Literal["test", "train", "valid"]


@dataclass(frozen=True, kw_only=True)
class TrackFiles:
    """Where the true stems of one track are.

    Args:
        name: of the track.
        files: stem -> file, ``"mixture"`` among them where there is one; for a ``.stem.mp4``, that
            one file under ``"container"``.
        places: where its estimates can be, below a folder of estimates; the first that exists.
    """

    name: str
    files: Mapping[str, Path]
    places: tuple[str, ...]

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the true stems, the four usual ones first."""
        named = STEMS if CONTAINER in self.files else tuple(self.files)
        usual = [stem for stem in STEMS if stem in named]
        return (*usual, *sorted(set(named) - {*STEMS, MIXTURE}))


def find_folders(root: Path) -> list[TrackFiles]:
    """Return the tracks in ``root``, one folder each; or ``root`` itself, if it holds the stems.

    Raises:
        DatasetError: no such folder, or no sound files in it.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder '{root}': give one with a folder of stems per track")
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()]
    tracks = [
        TrackFiles(name=folder.name, files=files, places=(folder.name,))
        for folder in folders
        if (files := stem_files(folder))
    ]
    if not tracks and (files := stem_files(root)):
        name = root.resolve().name
        return [TrackFiles(name=name, files=files, places=(name, "."))]
    if not tracks:
        raise DatasetError(f"no stems in '{root}': it needs TRACK/vocals.wav and so on")
    return tracks


def find_musdb(root: Path, subset: Subset) -> list[TrackFiles]:
    """Return MUSDB18's tracks of one part, ``.stem.mp4`` files or folders of WAV (HQ), by name.

    Args:
        root: holds ``train`` and ``test``, or is itself the one that is wanted.
        subset: ``"valid"`` are the 14 validation tracks of the train folder, ``"train"`` the rest.

    Raises:
        DatasetError: no such folder, or none of these tracks in it.
    """
    part = "test" if subset == "test" else "train"
    folder = root if root.name == part and not (root / part).is_dir() else root / part
    if not folder.is_dir():
        raise DatasetError(f"no folder '{folder}': --musdb takes the folder with train and test")
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(STEM_FILE):
            found[path.name.removesuffix(STEM_FILE)] = {CONTAINER: path}
        elif path.is_dir() and (files := stem_files(path)):
            found[path.name] = files
    wanted = [
        TrackFiles(name=name, files=files, places=(f"{part}/{name}", name))
        for name, files in found.items()
        if subset == "test" or (name in VALID_TRACKS) == (subset == "valid")
    ]
    if not wanted:
        raise DatasetError(f"no {subset} tracks in '{folder}': neither {STEM_FILE} nor folders")
    return wanted


def holds_pictures(folder: Path) -> bool:
    """Return whether there are pictures in a folder, and neither sounds nor folders of sounds."""
    if not folder.is_dir():
        return False
    entries = list(folder.iterdir())
    if any(path.suffix.lower() in SOUND_SUFFIXES for path in entries):
        return False
    if any(path.is_dir() and stem_files(path) for path in entries):
        return False
    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in entries)


def stem_files(folder: Path) -> dict[str, Path]:
    """Return stem -> file of the sound files in a folder.

    Raises:
        DatasetError: a stem with two files.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SOUND_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in files:
            raise DatasetError(
                f"'{folder}' has two files for '{path.stem}': {files[path.stem].name} and "
                f"{path.name}; remove one"
            )
        files[path.stem] = path
    return files
