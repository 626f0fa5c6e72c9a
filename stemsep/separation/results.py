"""What became of a song, and what is told and drawn on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["FileResult", "Picture", "Progress", "Timings"]

Item = TypeVar("Item")

Progress = Callable[[float, float | None], None]
"""Called now and then with the seconds of sound that are done, and all of them where known."""


class Picture(Protocol):
    """What draws a song and its stems, as `stemsep.plotting.spectrogram.StemPicture` does."""

    def add(self, sample_rate: int, parts: Mapping[str, NDArray[np.float32]]) -> None:
        """Append a piece of the mixture and of each stem: name -> ``(channels, samples)``."""

    def save(self, path: Path) -> None:
        """Write the picture."""


@dataclass(kw_only=True)
class Timings:
    """Seconds that the stages of one song took; they overlap, so their sum may exceed the whole.

    Args:
        decode: reading and decoding.
        network: the network alone.
        encode: rounding, encoding and writing.
    """

    decode: float = 0.0
    network: float = 0.0
    encode: float = 0.0

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Count the time of the block as the network's."""
        started = time.perf_counter()
        yield
        self.network += time.perf_counter() - started

    def computed(self, pieces: Iterable[Item]) -> Iterator[Item]:
        """Yield the pieces and count the time that they take as the network's."""
        source, end = iter(pieces), object()
        while True:
            with self.computing():
                piece = next(source, end)
            if piece is end:
                return
            yield piece  # type: ignore[misc]

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Count the time of the block as that of encoding."""
        started = time.perf_counter()
        yield
        self.encode += time.perf_counter() - started

    def decoded(self, blocks: Iterable[Item]) -> Iterator[Item]:
        """Yield the blocks and count the time that they take as that of decoding."""
        started = time.perf_counter()
        for block in blocks:
            self.decode += time.perf_counter() - started
            yield block
            started = time.perf_counter()


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of one sound file.

    Args:
        path: the input.
        written: stem -> file, those that were written now.
        kept: stem -> file, those that were there already and left alone.
        seconds: length of the sound that was separated.
        seconds_in: length of the whole input as its header says; None where it does not.
        missing_seconds: what a cut file promised and does not hold; NaN where that is not known.
        clipped: samples of a lossy or float mixture beyond the range of integer output.
        corrected: samples of stems beyond that range; what they exceed it by went to the others.
        peak: highest absolute sample of the stems, full scale is 1.
        gain_db: that all stems were changed by, so that none is beyond full scale; 0 if none was.
        residual_db: what the stems together lack of the mixture, before lossy encoding, relative
            to it; -inf where nothing is missing, to the bit.
        elapsed: seconds that it took.
        timings: of the stages.
        picture: the file of the picture, where one was drawn.
    """

    path: Path
    written: Mapping[str, Path]
    kept: Mapping[str, Path]
    seconds: float = 0.0
    seconds_in: float | None = None
    missing_seconds: float = 0.0
    clipped: int = 0
    corrected: int = 0
    peak: float = 0.0
    gain_db: float = 0.0
    residual_db: float = float("-inf")
    elapsed: float = 0.0
    timings: Timings = field(default_factory=Timings)
    picture: Path | None = None
