"""Folders of sound files -> tracks: songs of a file per stem, loose stems, songs without stems."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from stemsep.audio.formats import SOUND_SUFFIXES
from stemsep.data.decoded import Decoder
from stemsep.data.track import STEMS, Samples, Track
from stemsep.errors import DatasetError

__all__ = ["choose", "read_folder", "read_loose_stems", "read_song_folder", "read_songs"]

MIXTURE = "mixture"


def read_folder(
    root: Path,
    *,
    decoder: Decoder,
    stems: Sequence[str] = STEMS,
    only: Collection[str] = (),
    exclude: Collection[str] = (),
    reliable: Mapping[str, Collection[str]] | None = None,
) -> list[Track]:
    """Return the tracks below ``root``, sorted by name.

    Args:
        root: holds one folder per song with ``STEM.wav`` (or ``.flac``, ``.ogg``, ``.mp3`` …).
        decoder: what they are decoded to.
        stems: names of the stems; one without a file is silent in that song.
        only: names of the only songs to read; empty reads all.
        exclude: names of songs to leave out (such as those kept for validation).
        reliable: song -> the stems that can be trusted, for songs whose other stems hold a bit of
            everything: those are part of the mixture, but nothing is learned from them.

    Raises:
        DatasetError: no song below ``root``; a song that is named but not there, or a stem that is
            unknown; a stem with two files.
    """
    reliable = reliable or {}
    there = {path.name: path for path in _sorted(root) if path.is_dir()}
    _check_named(root, reliable, there)
    _check_named(root, {stem for trusted in reliable.values() for stem in trusted}, set(stems))
    found = [
        read_song_folder(
            path, decoder=decoder, stems=stems, reliable=reliable.get(path.name, stems)
        )
        for path in choose(there, only=only, exclude=exclude, root=root)
    ]
    tracks = [track for track in found if track]
    if not tracks:
        raise DatasetError(f"no songs in '{root}': it needs SONG/{stems[0]}.wav and so on")
    return tracks


def read_song_folder(
    folder: Path,
    *,
    decoder: Decoder,
    stems: Sequence[str] = STEMS,
    reliable: Collection[str] = STEMS,
    mixture: bool = False,
) -> Track | None:
    """Return the track of one song's folder; None where it has none of the stems.

    Args:
        folder: holds ``STEM.wav`` and so on; its name is the track's.
        decoder: what they are decoded to.
        stems: names of the stems.
        reliable: those that can be trusted.
        mixture: whether to read ``mixture.wav``, too, where it is there.

    Raises:
        DatasetError: a stem with two files.
    """
    wanted = [*stems, MIXTURE] if mixture else stems
    found = [path for path in _sounds(folder) if path.stem in wanted]
    files = {path.stem: path for path in found}
    if len(files) < len(found):
        raise DatasetError(
            f"a stem of '{folder}' has two files: {', '.join(p.name for p in found)}"
        )
    if not set(files) & set(stems):
        return None
    decoded = {name: decoder.file(path) for name, path in files.items()}
    samples = max(sound.shape[1] for sound in decoded.values())
    sounds = {name: _padded(sound, samples) for name, sound in decoded.items()}
    return Track(
        name=folder.name,
        sample_rate=decoder.sample_rate,
        mixture=sounds.get(MIXTURE),
        stems={name: sounds[name] for name in stems if name in sounds},
        unreliable=frozenset(set(stems) - set(reliable)),
    )


def read_loose_stems(
    root: Path,
    *,
    decoder: Decoder,
    stems: Sequence[str] = STEMS,
    only: Collection[str] = (),
    exclude: Collection[str] = (),
) -> list[Track]:
    """Return a track with one stem for each file of ``root/STEM/``, to any depth: for remixing.

    Args:
        root: holds a folder for each stem, or for some.
        decoder: what the files are decoded to.
        stems: names of the stems.
        only: tracks to read alone, as ``STEM/FILE`` without the suffix; empty reads all.
        exclude: tracks to leave out.

    Raises:
        DatasetError: no sound file in any of the folders; an excluded one that is not there.
    """
    files = {
        str(path.relative_to(root).with_suffix("")): path
        for stem in stems
        for path in _sounds(root / stem, deep=True)
    }
    if not files:
        raise DatasetError(f"no loose stems in '{root}': it needs {stems[0]}/ANY.wav and so on")
    return [
        Track(
            name=str(path.relative_to(root).with_suffix("")),
            sample_rate=decoder.sample_rate,
            stems={path.relative_to(root).parts[0]: decoder.file(path)},
            complete=False,
        )
        for path in choose(files, only=only, exclude=exclude, root=root)
    ]


def read_songs(
    root: Path, *, decoder: Decoder, only: Collection[str] = (), exclude: Collection[str] = ()
) -> list[Track]:
    """Return the sound files below ``root``, to any depth, as tracks with a mixture alone.

    Args:
        root: the folder.
        decoder: what the files are decoded to.
        only: songs to read alone, by path below ``root`` without the suffix; empty reads all.
        exclude: songs to leave out.

    Raises:
        DatasetError: no sound file in it; an excluded one that is not there.
    """
    files = {str(path.relative_to(root).with_suffix("")): path for path in _sounds(root, deep=True)}
    if not files:
        raise DatasetError(f"no songs in '{root}': it needs sound files")
    return [
        Track(
            name=str(path.relative_to(root).with_suffix("")),
            sample_rate=decoder.sample_rate,
            stems={},
            mixture=decoder.file(path),
            complete=False,
        )
        for path in choose(files, only=only, exclude=exclude, root=root)
    ]


def choose(
    there: Mapping[str, Path], *, only: Collection[str], exclude: Collection[str], root: Path
) -> list[Path]:
    """Return the paths of the names in ``only``, or of all, without those in ``exclude``.

    Raises:
        DatasetError: one of the names is not there; the nearest one is named.
    """
    _check_named(root, {*only, *exclude}, there)
    return [
        path for name, path in there.items() if name not in exclude and (not only or name in only)
    ]


def _sorted(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DatasetError(f"no folder '{root}': give a folder with one folder of stems per song")
    return sorted(root.iterdir())


def _sounds(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return the sound files of a folder, sorted; none where there is no such folder."""
    paths = sorted(folder.rglob("*") if deep else folder.glob("*"))
    return [
        path
        for path in paths
        if path.suffix.lower() in SOUND_SUFFIXES and path.name[0] != "." and path.is_file()
    ]


def _check_named(root: Path, given: Collection[str], known: Collection[str]) -> None:
    # A misspelt exclusion would quietly train on what it was meant to keep out.
    for name in sorted(set(given) - set(known)):
        near = difflib.get_close_matches(name, known, n=1) or [", ".join(sorted(known)[:5])]
        raise DatasetError(f"no '{name}' in '{root}'; did you mean {near[0]}?")


def _padded(sound: Samples, samples: int) -> Samples:
    missing = samples - sound.shape[1]
    zeros = np.zeros((2, missing), sound.dtype)
    return np.concatenate([sound, zeros], axis=1) if missing else sound
