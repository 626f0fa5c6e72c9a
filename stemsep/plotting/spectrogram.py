"""Sounds -> one picture of their spectrograms and waveforms, on common scales.

Takes waveforms ``(channels, samples)`` whole or in blocks; memory does not grow with the length.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemsep.audio import BLOCK_SAMPLES
from stemsep.errors import ParameterError
from stemsep.plotting.figure import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["Overview", "StemPicture", "draw_overviews", "draw_spectrogram", "draw_waveforms"]

N_FFT = 4096
HOP_LENGTH = 1024
BANDS = 200
LOWEST_HZ = 30.0
RANGE_DB = 80.0
"""What lies further below the loudest point of all is drawn like silence."""


class Overview:
    """What is drawn of a sound, gathered block by block: its level per time and frequency.

    A column of the picture is first one STFT frame; when there are too many for a picture, each
    two become one, again and again. So a sound of any length fits into the same memory.

    Args:
        sample_rate: Hz.
        columns: at least half as many, and at most as many, columns are drawn of a long sound.

    Raises:
        ParameterError: fewer than 2 columns.
    """

    def __init__(self, sample_rate: int, *, columns: int = 1600) -> None:
        if columns < 2:
            raise ParameterError(f"columns = {columns}: it must be 2 or more")
        self.sample_rate, self.samples = sample_rate, 0
        self._columns = columns
        self._frames_per_column = 1
        self._bands, self.edges_hz = _bands(sample_rate)
        self._pending: NDArray[np.float32] | None = None  # samples of the next frames
        # The frames of the column that is not full yet: power, lowest and highest sample.
        self._frames = [np.zeros((0, BANDS), np.float32), *(np.zeros(0, np.float32),) * 2]
        self._full = 0  # columns
        self._power = np.zeros((columns + 2, BANDS), np.float32)
        self._low, self._high = np.zeros((2, columns + 2), np.float32)

    def add(self, block: NDArray[np.float32]) -> None:
        """Append ``(channels, samples)``, in [-1, 1] nominal."""
        self.samples += block.shape[1]
        if self._pending is None:  # centre the first frame on the first sample
            self._pending = np.zeros((block.shape[0], N_FFT // 2), np.float32)
        for start in range(0, block.shape[1], BLOCK_SAMPLES):
            piece = block[:, start : start + BLOCK_SAMPLES]
            self._take_frames(np.concatenate([self._pending, piece], axis=1))

    def finished(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return power ``(columns, bands)``, and lowest and highest sample per column.

        A column spans ``seconds_per_column``; nothing can be added any more.
        """
        if self._pending is not None:
            self._take_frames(np.pad(self._pending, ((0, 0), (0, N_FFT))))
            self._pending = None
        if len(self._frames[0]):
            self._append_column()
        drawn = -(-self.samples // self._samples_per_column)
        return self._power[:drawn], self._low[:drawn], self._high[:drawn]

    @property
    def _samples_per_column(self) -> int:
        return HOP_LENGTH * self._frames_per_column

    @property
    def seconds_per_column(self) -> float:
        """Width of a column."""
        return self._samples_per_column / self.sample_rate

    def _take_frames(self, pending: NDArray[np.float32]) -> None:
        count = max(0, (pending.shape[1] - N_FFT) // HOP_LENGTH + 1)
        self._pending = pending[:, count * HOP_LENGTH :]
        if not count:
            return
        frames = np.lib.stride_tricks.sliding_window_view(pending, N_FFT, axis=1)
        frames = frames[:, : count * HOP_LENGTH : HOP_LENGTH]  # (channels, time, N_FFT)
        window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
        spectrum = np.fft.rfft(frames * window, axis=-1)
        power = (spectrum.real**2 + spectrum.imag**2).mean(0) @ self._bands
        centre = frames[:, :, N_FFT // 2 : N_FFT // 2 + HOP_LENGTH]
        new = (power.astype(np.float32), centre.min((0, 2)), centre.max((0, 2)))
        self._frames = [np.concatenate(pair) for pair in zip(self._frames, new, strict=True)]
        while len(self._frames[0]) >= self._frames_per_column:
            self._append_column()

    def _append_column(self) -> None:
        per, (power, low, high) = self._frames_per_column, self._frames
        self._power[self._full] = power[:per].mean(0)
        self._low[self._full], self._high[self._full] = low[:per].min(), high[:per].max()
        self._full += 1
        self._frames = [power[per:], low[per:], high[per:]]
        if self._full > self._columns and self._full % 2 == 0:
            half = self._full // 2
            self._power[:half] = self._power[: self._full].reshape(half, 2, BANDS).mean(1)
            self._low[:half] = self._low[: self._full].reshape(half, 2).min(1)
            self._high[:half] = self._high[: self._full].reshape(half, 2).max(1)
            self._full, self._frames_per_column = half, 2 * per


class StemPicture:
    """The picture of one song and its stems, gathered while they are separated.

    Args:
        title: written above, such as the song's name.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def __init__(self, title: str = "") -> None:
        new_figure(width=1, height=1)  # what is missing is said before any work
        self._title = title
        self._overviews: dict[str, Overview] = {}

    def add(self, sample_rate: int, parts: Mapping[str, NDArray[np.float32]]) -> None:
        """Append a piece of each sound: name -> ``(channels, samples)``, the same names each time.

        The first name is the top row.
        """
        for name, block in parts.items():
            self._overviews.setdefault(name, Overview(sample_rate)).add(block)

    def save(self, path: Path) -> None:
        """Write the picture as PNG.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
            ParameterError: nothing was added.
        """
        save_figure(draw_overviews(self._overviews, title=self._title), path)


def draw_overviews(overviews: Mapping[str, Overview], *, title: str = "") -> Figure:
    """Return a figure with a row per sound: its spectrogram, and its waveform.

    Colours mean the same level in all rows (0 dB is the loudest point of all), and all waveforms
    have one scale, so that stems can be compared by eye.

    Args:
        overviews: name -> what was gathered of it; of one sample rate and length.
        title: written above.

    Raises:
        ParameterError: no sound at all.
        MissingExtraError: matplotlib is not installed.
    """
    if not overviews:
        raise ParameterError("no sound to draw: give at least one")
    finished = {name: overview.finished() for name, overview in overviews.items()}
    loudest = max(float(power.max(initial=0)) for power, _, _ in finished.values()) or 1.0
    extremes = [np.abs(part).max(initial=0) for parts in finished.values() for part in parts[1:]]
    peak = 1.05 * float(max(extremes)) or 1.0
    figure = new_figure(width=14, height=1.2 + 1.9 * len(overviews))
    figure.suptitle(title, parse_math=False)  # names may have dollar signs
    axes = figure.subplots(len(overviews), 2, sharex=True, squeeze=False, width_ratios=[3, 2])
    for (name, overview), (left, right) in zip(overviews.items(), axes, strict=True):
        power, low, high = finished[name]
        mesh = draw_spectrogram(left, overview, power / loudest)
        _draw_waveform(right, overview, low, high, peak)
        left.set_title(name, loc="left", fontsize="medium")
    for axis in axes[-1]:
        axis.set_xlabel("time (s)")
    figure.colorbar(
        mesh, ax=list(axes[:, 0]), label="level (dB below the loudest)", pad=0.01, aspect=40
    )
    return figure


def draw_waveforms(
    waveforms: Mapping[str, NDArray[np.float32]], sample_rate: int, *, title: str = ""
) -> Figure:
    """Return the figure of `draw_overviews` for sounds in memory.

    Args:
        waveforms: name -> ``(channels, samples)``.
        sample_rate: Hz.
        title: written above.
    """
    overviews = {name: Overview(sample_rate) for name in waveforms}
    for name, waveform in waveforms.items():
        overviews[name].add(np.asarray(waveform, np.float32))
    return draw_overviews(overviews, title=title)


def draw_spectrogram(axis: Axes, overview: Overview, power: NDArray[np.float32]) -> QuadMesh:
    """Draw levels into an axis, over seconds and a pitch scale of frequencies.

    Args:
        axis: of a figure.
        overview: what was gathered of the sound.
        power: its ``finished()`` power ``(columns, bands)``, 1 for the loudest of all that is
            drawn.
    """
    level_db = 10 * np.log10(np.maximum(power.T, 10 ** (-RANGE_DB / 10)))
    times = np.arange(len(power) + 1) * overview.seconds_per_column
    mesh = axis.pcolormesh(
        times, overview.edges_hz, level_db, vmin=-RANGE_DB, vmax=0, cmap="magma", rasterized=True
    )
    axis.set_yscale("log")
    ticks = [hz for hz in (50, 200, 1000, 5000, 20000) if hz <= overview.edges_hz[-1]]
    axis.set_yticks(ticks, [f"{hz:g}" if hz < 1000 else f"{hz // 1000:g}k" for hz in ticks])
    axis.minorticks_off()
    axis.set_ylabel("frequency (Hz)")
    return mesh


def _draw_waveform(
    axis: Axes, overview: Overview, low: NDArray[np.float32], high: NDArray[np.float32], peak: float
) -> None:
    times = np.arange(len(low)) * overview.seconds_per_column
    axis.fill_between(times, low, high, step="post", linewidth=0.3, color="C0", edgecolor="C0")
    axis.set_ylim(-peak, peak)
    axis.set_xlim(0, max(overview.samples, 1) / overview.sample_rate)
    axis.set_ylabel("amplitude")
    axis.grid(alpha=0.3)


def _bands(sample_rate: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return weights ``(freq, bands)`` from bins to bands even in pitch, and the bands' edges.

    A band takes the mean of the bins in it; one between two bins, the nearest bin.
    """
    edges = np.geomspace(min(LOWEST_HZ, sample_rate / 8), sample_rate / 2, BANDS + 1)
    frequencies = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT
    inside = (frequencies[:, None] >= edges[:-1]) & (frequencies[:, None] < edges[1:])
    nearest = np.abs(frequencies[:, None] - np.sqrt(edges[:-1] * edges[1:])).argmin(0)
    empty = ~inside.any(0)
    inside[nearest[empty], np.flatnonzero(empty)] = True
    return (inside / inside.sum(0)).astype(np.float32), edges
