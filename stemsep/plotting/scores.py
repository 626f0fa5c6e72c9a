"""Scores -> pictures: how they spread over tracks, two systems against each other, a track in time.

Takes numbers in dB; gives figures. Knows nothing of how they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemsep.plotting.figure import new_figure
from stemsep.plotting.spectrogram import Overview, draw_spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SYSTEM_COLOURS", "draw_boxes", "draw_pairs", "draw_track"]

SYSTEM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Told apart with any colour vision (Okabe and Ito)."""


def draw_boxes(scores: Mapping[str, Mapping[str, Sequence[float]]], *, measure: str) -> Figure:
    """Return a figure with a box per stem and system: median, quartiles, and each track as a dot.

    Args:
        scores: system -> stem -> the score of each track; NaN is left out.
        measure: what the scores are, for the axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    stems = list(dict.fromkeys(stem for of_system in scores.values() for stem in of_system))
    figure = new_figure(width=max(6.0, 1.2 + 0.7 * len(stems) * (len(scores) + 1)), height=4.5)
    axis = figure.subplots()
    width = 0.8 / len(scores)
    for index, (system, of_system) in enumerate(scores.items()):
        colour = SYSTEM_COLOURS[index % len(SYSTEM_COLOURS)]
        for place, stem in enumerate(stems):
            values = _finite(of_system.get(stem, ()))
            if not len(values):
                continue
            centre = place + (index + 0.5) * width - 0.4
            axis.boxplot(
                values,
                positions=[centre],
                widths=0.8 * width,
                showfliers=False,  # the dots show them
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
                medianprops={"color": colour, "linewidth": 2.5},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
            spread = np.linspace(-0.25, 0.25, len(values)) * width  # dots that do not hide others
            axis.plot(centre + spread, values, ".", color=colour, markersize=4, alpha=0.8)
        axis.plot([], [], "s", color=colour, label=system)
    axis.set_xticks(range(len(stems)), stems)
    axis.set_xlim(-0.6, len(stems) - 0.4)
    axis.set_ylabel(f"{measure} (dB)")
    axis.grid(axis="y", alpha=0.3)
    axis.axhline(0, color="0.5", linewidth=0.8)
    figure.legend(loc="outside upper center", ncols=min(4, len(scores)), frameon=False)
    return figure


def draw_pairs(
    first: tuple[str, Mapping[str, Sequence[float]]],
    second: tuple[str, Mapping[str, Sequence[float]]],
    *,
    measure: str,
) -> Figure:
    """Return a figure with a panel per stem and a dot per track: one system against another.

    Above the diagonal the second is better.

    Args:
        first: label, and stem -> the score of each track.
        second: the same of the other system, tracks in the same order.
        measure: what the scores are, for the axes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    stems = [stem for stem in first[1] if stem in second[1]]
    figure = new_figure(width=2.6 * len(stems) + 0.6, height=3.4)
    axes = figure.subplots(1, len(stems), squeeze=False)[0]
    for axis, stem in zip(axes, stems, strict=True):
        pairs = np.array([first[1][stem], second[1][stem]], np.float64)
        pairs = pairs[:, np.isfinite(pairs).all(0)]
        better = pairs[1] > pairs[0]
        for chosen, colour in ((~better, SYSTEM_COLOURS[0]), (better, SYSTEM_COLOURS[1])):
            axis.plot(*pairs[:, chosen], "o", color=colour, markersize=5, alpha=0.8)
        if pairs.size:
            low, high = pairs.min() - 0.5, pairs.max() + 0.5
            axis.plot([low, high], [low, high], color="0.5", linewidth=0.8)
            axis.set(xlim=(low, high), ylim=(low, high))
        axis.set_aspect("equal")
        axis.set_title(f"{stem}: {better.sum()} of {better.size}", fontsize="medium")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(f"{second[0]} (dB)", parse_math=False)
    figure.supxlabel(f"{first[0]} (dB); {measure} of each track", parse_math=False)
    return figure


def draw_track(
    sounds: Mapping[str, NDArray[np.float32]],
    scores: Mapping[str, Mapping[str, NDArray[np.float64]]],
    *,
    sample_rate: int,
    title: str,
    measure: str,
) -> Figure:
    """Return a figure with the spectrogram of each true stem, and the scores of its seconds below.

    Args:
        sounds: stem -> ``(channels, samples)``.
        scores: system -> stem -> score of each second; a line has a gap where one is NaN.
        sample_rate: Hz.
        title: written above, such as the track's name.
        measure: what the scores are, for the axes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    rows = -(-len(sounds) // 2)
    figure = new_figure(width=14, height=0.8 + 4.2 * rows)
    figure.suptitle(title, parse_math=False)
    axes = figure.subplots(
        2 * rows, min(2, len(sounds)), sharex=True, squeeze=False, height_ratios=[3, 2] * rows
    )
    overviews = {stem: Overview(sample_rate) for stem in sounds}
    for stem, waveform in sounds.items():
        overviews[stem].add(waveform)
    powers = {stem: overview.finished()[0] for stem, overview in overviews.items()}
    loudest = max(float(power.max(initial=0)) for power in powers.values()) or 1.0
    for index, stem in enumerate(sounds):
        above, below = axes[2 * (index // 2) : 2 * (index // 2) + 2, index % 2]
        draw_spectrogram(above, overviews[stem], powers[stem] / loudest)
        above.set_title(stem, loc="left", fontsize="medium")
        _draw_seconds(below, {system: of[stem] for system, of in scores.items() if stem in of})
        below.set_ylabel(f"{measure} (dB)")
    for axis in axes[-1]:
        axis.set_xlabel("time (s)")
    if len(sounds) % 2 and len(sounds) > 1:
        for axis in axes[-2:, 1]:
            axis.set_visible(False)
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    return figure


def _draw_seconds(axis: Axes, lines: Mapping[str, NDArray[np.float64]]) -> None:
    for index, (system, values) in enumerate(lines.items()):
        colour = SYSTEM_COLOURS[index % len(SYSTEM_COLOURS)]
        edges = np.arange(len(values) + 1)
        # A step per second, and a dot in it, as a second between two gaps has no line.
        axis.stairs(values, edges, baseline=None, color=colour, linewidth=1.8, label=system)
        axis.plot(edges[:-1] + 0.5, values, ".", color=colour, markersize=3)
    axis.axhline(0, color="0.5", linewidth=0.8)
    axis.grid(alpha=0.3)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    return np.sort(array[np.isfinite(array)])
