"""Sound files -> waveforms (first version for training; streaming follows)."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def read_audio(path: Path) -> tuple[NDArray[np.float32], int]:
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(data.T), rate


def read_streams(path: Path) -> tuple[list[NDArray[np.float32]], int]:
    result = []
    with av.open(str(path)) as container:
        n = len(container.streams.audio)
    for i in range(n):
        with av.open(str(path)) as container:
            stream = container.streams.audio[i]
            rate = stream.rate
            frames = [f.to_ndarray() for f in container.decode(stream)]
        result.append(np.concatenate(frames, 1).astype(np.float32))
    return result, int(rate)
