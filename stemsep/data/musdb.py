"""MUSDB18 -> tracks: its ``.stem.mp4`` files, or the folders of WAV files of MUSDB18-HQ.

Streams of a stem file, in order: mixture, drums, bass, other, vocals (AAC). The files are read with
PyAV and give the samples that the musdb package gives; no ffmpeg program is needed.

Reference: Z. Rafii et al., "The MUSDB18 corpus for music separation", 2017,
doi 10.5281/zenodo.1117372.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from stemsep.audio.read import read_streams
from stemsep.data.decoded import Decoder
from stemsep.data.folder import choose, read_song_folder
from stemsep.data.track import STEMS, Samples, Track
from stemsep.errors import DatasetError

__all__ = ["VALID_TRACKS", "Split", "read_musdb", "read_stem_file", "read_stem_files"]

SUFFIX = ".stem.mp4"

STREAMS = ("mixture", "drums", "bass", "other", "vocals")

Split = Literal["train", "valid", "test"]

VALID_TRACKS = (
    "Actions - One Minute Smile",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave",
    "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants",
    "Leaf - Summerghost",
    "Skelpolu - Human Mistakes",
    "Young Griffo - Pennies",
    "ANiMAL - Rockshow",
    "James May - On The Line",
    "Meaxic - Take A Step",
    "Traffic Experiment - Sirens",
)
"""The validation part of MUSDB18's training set, as the musdb package defines it."""


def read_musdb(
    root: Path,
    *,
    split: Split,
    decoder: Decoder,
    only: Collection[str] = (),
    exclude: Collection[str] = (),
) -> list[Track]:
    """Return the tracks of one part of MUSDB18, or of its seven-second sample, sorted by name.

    Args:
        root: holds ``train`` and ``test``; or is one of these itself.
        split: ``train`` without the 14 validation tracks, these 14 (``valid``), or ``test``.
        decoder: what they are decoded to; the mixture is read for ``valid`` and ``test`` alone, as
            training mixes stems itself.
        only: names of the only tracks to read; empty reads all.
        exclude: names of tracks to leave out.

    Raises:
        DatasetError: no track of that part; a file with fewer than five sound streams.
    """
    folder = root / ("test" if split == "test" else "train")
    folder = folder if folder.is_dir() else root
    if not folder.is_dir():
        raise DatasetError(f"no folder '{root}': give MUSDB18's folder, with train and test in it")
    there = {path.name.removesuffix(SUFFIX): path for path in sorted(folder.iterdir())}
    chosen = choose(there, only=only, exclude=exclude, root=root)
    chosen = [
        path
        for path in chosen
        if split == "test" or (path.name.removesuffix(SUFFIX) in VALID_TRACKS) == (split == "valid")
    ]
    tracks = [_read(path, decoder, mixture=split != "train") for path in chosen]
    found = [track for track in tracks if track]
    if not found:
        raise DatasetError(
            f"no tracks of MUSDB18's '{split}' in '{root}': it needs NAME{SUFFIX} files, or "
            "folders with vocals.wav and so on"
        )
    return found


def read_stem_file(path: Path) -> Track:
    """Return the track of one ``.stem.mp4`` file, with its own mixture stream, float32.

    Raises:
        DatasetError: the file has fewer than five sound streams.
    """
    waveforms, sample_rate = read_streams(path)
    return _track(path, waveforms, sample_rate, mixture=True)


def read_stem_files(root: Path, *, names: tuple[str, ...]) -> list[Track]:
    """Return the named tracks of a folder of ``.stem.mp4`` files, those of ``names`` that exist.

    Raises:
        DatasetError: none of them exists.
    """
    found = [path for name in names if (path := root / f"{name}{SUFFIX}").is_file()]
    if not found:
        raise DatasetError(f"no '{SUFFIX}' files of the asked-for tracks in '{root}'")
    return [read_stem_file(path) for path in found]


def _read(path: Path, decoder: Decoder, *, mixture: bool) -> Track | None:
    """Return the track of a stem file or of a folder of WAV files; None of anything else."""
    if path.is_dir():
        return read_song_folder(path, decoder=decoder, mixture=mixture)
    if not path.name.endswith(SUFFIX) or path.name.startswith("."):
        return None
    return _track(path, decoder.streams(path), decoder.sample_rate, mixture=mixture)


def _track(path: Path, sounds: Sequence[Samples], sample_rate: int, *, mixture: bool) -> Track:
    if len(sounds) < len(STREAMS):
        raise DatasetError(f"'{path}' has {len(sounds)} sound streams, a stem file has 5")
    streams = dict(zip(STREAMS, sounds, strict=False))
    return Track(
        name=path.name.removesuffix(SUFFIX),
        sample_rate=sample_rate,
        stems={stem: streams[stem] for stem in STEMS},
        mixture=streams["mixture"] if mixture else None,
    )
