"""What a sound file says about itself, and what a decoder hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemsep.audio.tags import Tags

__all__ = ["AudioInfo", "Block", "OpenedAudio"]

Block: TypeAlias = NDArray[np.int32 | np.float32]
"""Sound ``(channels, samples)``: int32 with full scale 2^31 (8-bit sound is shifted up by 24 bits),
or float32 in [-1, 1] nominal."""


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """The facts of a file's header.

    Attributes:
        path: the file.
        sample_rate: Hz.
        channels: at least 1.
        samples: how many samples per channel the header promises; None where it does not say. Of a
            lossy or damaged file, another number may decode.
        bit_depth: 8, 16, 24 or 32 for integer sound, whose blocks are exact; None for float PCM and
            for lossy formats.
        lossy: whether the format lost something already.
    """

    path: Path
    sample_rate: int
    channels: int
    samples: int | None
    bit_depth: int | None
    lossy: bool


@dataclass(frozen=True, kw_only=True)
class OpenedAudio:
    """A file that a decoder has opened.

    Attributes:
        info: the facts of its header.
        blocks: `Block` after `Block` of any size, until the end or the place where damage stops it.
        close: gives the file back; to be called once.
        tags: title, artist, ... and cover.
    """

    info: AudioInfo
    blocks: Iterator[Block]
    close: Callable[[], None]
    tags: Tags = field(default_factory=Tags)
