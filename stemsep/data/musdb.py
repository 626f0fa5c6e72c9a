"""MUSDB18's ``.stem.mp4`` files -> tracks, read with PyAV.

Streams of such a file, in order: mixture, drums, bass, other, vocals (AAC).
Reference: Z. Rafii et al., "The MUSDB18 corpus for music separation", 2017,
doi 10.5281/zenodo.1117372.
"""

from __future__ import annotations

from pathlib import Path

from stemsep.audio.read import read_streams
from stemsep.data.track import STEMS, Track
from stemsep.errors import DatasetError

__all__ = ["VALID_TRACKS", "read_stem_file", "read_stem_files"]

STREAMS = ("mixture", "drums", "bass", "other", "vocals")

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


def read_stem_file(path: Path) -> Track:
    """Return the track of one ``.stem.mp4`` file, with its own mixture stream.

    Raises:
        DatasetError: the file has fewer than five sound streams.
    """
    waveforms, sample_rate = read_streams(path)
    if len(waveforms) < len(STREAMS):
        raise DatasetError(f"'{path}' has {len(waveforms)} sound streams, a stem file has 5")
    streams = dict(zip(STREAMS, waveforms, strict=False))
    return Track(
        name=path.name.removesuffix(".stem.mp4"),
        sample_rate=sample_rate,
        stems={stem: streams[stem] for stem in STEMS},
        mixture=streams["mixture"],
    )


def read_stem_files(root: Path, *, names: tuple[str, ...]) -> list[Track]:
    """Return the named tracks of a folder of ``.stem.mp4`` files, those of ``names`` that exist.

    Raises:
        DatasetError: none of them exists.
    """
    found = [path for name in names if (path := root / f"{name}.stem.mp4").is_file()]
    if not found:
        raise DatasetError(f"no '.stem.mp4' files of the asked-for tracks in '{root}'")
    return [read_stem_file(path) for path in found]
