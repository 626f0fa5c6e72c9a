"""Waveform -> the same music higher or lower, faster or slower, each on its own.

The pitch by resampling, and then the tempo by FFmpeg's `atempo`, which moves frames of the sound
until they fit together (W. Verhelst, M. Roelands, "An overlap-add technique based on waveform
similarity (WSOLA)", ICASSP 1993): some milliseconds for an excerpt, where a phase vocoder takes a
tenth of a second.
"""

from __future__ import annotations

import math
from contextlib import suppress

import av
import numpy as np
import soxr
from av.filter import Graph
from numpy.typing import NDArray

__all__ = ["source_samples", "stretch"]

MARGIN = 4096
"""Samples read beyond what is needed: both steps give a little less than they should."""


def source_samples(samples: int, *, tempo: float) -> int:
    """Return how many samples of the original `stretch` needs for ``samples`` of the result."""
    return math.ceil((samples + MARGIN) * tempo)


def stretch(
    waveform: NDArray[np.float32], *, pitch: float, tempo: float, sample_rate: int, samples: int
) -> NDArray[np.float32]:
    """Return the waveform at another pitch and tempo, ``(2, samples)``.

    Args:
        waveform: ``(2, n)`` with n of ``source_samples(samples, tempo=tempo)`` or more; of less,
            the end is silent.
        pitch: factor of all frequencies, such as 2 for an octave up.
        tempo: factor of the speed, 0.5 times ``pitch`` or more. The same as ``pitch`` is a tape
            that runs faster: that takes resampling alone.
        sample_rate: Hz.
        samples: of the result.
    """
    if pitch != 1:
        waveform = soxr.resample(waveform.T, pitch, 1.0, quality="QQ").T
    if tempo != pitch:
        waveform = _at_tempo(waveform, tempo / pitch, sample_rate)
    result = np.zeros((2, samples), np.float32)
    part = waveform[:, :samples]
    result[:, : part.shape[1]] = part
    return result


def _at_tempo(
    waveform: NDArray[np.float32], factor: float, sample_rate: int
) -> NDArray[np.float32]:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="fltp", layout="stereo")
    tempo, sink = graph.add("atempo", f"{factor:.6f}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    given = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), "fltp", "stereo")
    given.sample_rate = sample_rate
    source.push(given)
    source.push(None)
    parts = [np.zeros((1, 0), np.float32)]  # a few samples alone give nothing
    with suppress(av.EOFError):
        while isinstance(frame := sink.pull(), av.AudioFrame):
            parts.append(frame.to_ndarray().astype(np.float32, copy=False))
    # Interleaved: (1, samples * 2) -> (2, samples).
    return np.concatenate(parts, axis=1).reshape(-1, 2).T
