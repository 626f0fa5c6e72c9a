"""A score over the spectrogram of what was played: what is heard where, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.data.synthetic.score import PERCUSSION, Part, Score, sound_of
from stemsep.data.track import Track
from stemsep.errors import require
from stemsep.plotting.figure import new_figure, save_figure

__all__ = ["plot_pianoroll"]

COLOURS = {"vocals": "#ff5470", "drums": "#f5d547", "bass": "#4cc9f0", "other": "#7ae582"}

N_FFT = 4096
COLUMNS = 1400
ROWS = 400
FLOOR_DB = -80.0
LOWEST_HZ, HIGHEST_HZ = 30.0, 16_000.0


def plot_pianoroll(score: Score, track: Track, path: Path) -> None:
    """Write a PNG: the mixture's spectrogram with every pitched note in its stem's colour.

    Drums have a panel of their own below, one line for each sound.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the folder cannot be written, or the disk is full.
    """
    lines = require("matplotlib.collections", extra="plot").LineCollection
    figure = new_figure(width=14, height=8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    mixture = sum(track.whole(list(track.stems)), np.zeros((2, track.samples), np.float32))
    spectrogram, frequencies = _spectrogram(mixture.mean(0), track.sample_rate)
    edges = np.linspace(0, score.seconds, spectrogram.shape[1] + 1)
    upper.pcolormesh(edges, frequencies, spectrogram, cmap="Greys_r", vmin=FLOOR_DB, vmax=0)
    played = {sound_of(n.pitch) for p in score.parts if p.role == "drums" for n in p.notes}
    sounds = [sound for sound in PERCUSSION if sound in played]
    for stem, colour in COLOURS.items():
        parts = [part for part in score.parts if part.stem == stem]
        upper_lines, drum_lines = _note_lines(parts, score.seconds, sounds)
        upper.add_collection(lines(upper_lines, colors=colour, linewidths=2, label=stem))
        lower.add_collection(lines(drum_lines, colors=colour, linewidths=2.5))
    upper.set(yscale="log", ylim=(LOWEST_HZ, HIGHEST_HZ), ylabel="Hz")
    upper.legend(loc="upper right", framealpha=0.8)
    upper.set_title(f"{track.name}: {score.tempo:.0f} beats a minute, {score.key}")
    lower.set_facecolor("black")
    lower.set(xlim=(0, score.seconds), ylim=(-1, len(sounds)), xlabel="seconds", ylabel="drums")
    lower.set_yticks(range(len(sounds)), [sound.replace("_", " ") for sound in sounds], fontsize=7)
    save_figure(figure, path)


Segment = list[tuple[float, float]]


def _note_lines(
    parts: list[Part], seconds: float, sounds: list[str]
) -> tuple[list[Segment], list[Segment]]:
    """Return lines ``[(seconds, height), (seconds, height)]`` of pitched notes and of drums."""
    pitched: list[Segment] = []
    drums: list[Segment] = []
    for part in parts:
        for note in part.notes:
            if note.start >= seconds:
                continue
            height = 440 * 2 ** ((note.pitch - 69) / 12)
            end = min(seconds, note.start + note.length)
            if part.role == "drums":
                row = sounds.index(sound_of(note.pitch))
                drums.append([(note.start, row), (note.start + 0.03, row)])
            else:
                pitched.append([(note.start, height), (end, height)])
    return pitched, drums


def _spectrogram(
    waveform: NDArray[np.float32], sample_rate: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return decibels below the loudest ``(freq, columns)`` and the edges of the rows, in Hz."""
    padded = np.pad(waveform, N_FFT // 2)
    hop = max(1, -(-len(waveform) // COLUMNS))
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::hop]
    power = np.abs(np.fft.rfft(windows * np.hanning(N_FFT).astype(np.float32), axis=1).T) ** 2
    # Rows of equal musical width: what is drawn, without thousands of rows for the highest octave.
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, ROWS + 1)
    bins = np.minimum((edges[:-1] * N_FFT / sample_rate).astype(int), len(power) - 1)
    rows = np.maximum.reduceat(power, bins)
    decibels = 10 * np.log10(np.maximum(rows / max(1e-12, float(rows.max())), 1e-12))
    return decibels.astype(np.float32), edges
