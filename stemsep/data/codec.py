"""Waveform -> the waveform after a lossy codec: what songs from the net have been through."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

__all__ = ["CODECS", "recode"]

Codec = Literal["mp3", "aac"]

CODECS: dict[Codec, tuple[str, str]] = {"mp3": ("libmp3lame", "mp3"), "aac": ("aac", "mp4")}
"""Name -> FFmpeg's encoder and a container that tells the encoder's delay."""


def recode(
    waveform: NDArray[np.float32], *, codec: Codec, kbps: int, sample_rate: int
) -> NDArray[np.float32]:
    """Return the waveform encoded and decoded again, in step with what was given.

    Args:
        waveform: ``(2, samples)``; beyond 1 it is scaled down for the encoder and up again.
        codec: which.
        kbps: thousands of bits a second.
        sample_rate: Hz; of another one than MPEG has, the waveform comes back as it is.
    """
    encoder, container = CODECS[codec]
    if sample_rate not in (av.codec.Codec(encoder, "w").audio_rates or [sample_rate]):
        return waveform
    scale = np.float32(max(1.0, float(np.abs(waveform).max(initial=0))))
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(encoder, rate=sample_rate, layout="stereo")
        assert isinstance(stream, AudioStream)  # noqa: S101 - for the type checker
        stream.bit_rate = kbps * 1000
        sound = np.ascontiguousarray(waveform / scale)
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "stereo")
        frame.sample_rate, frame.pts = sample_rate, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    result = np.zeros_like(waveform)
    done = 0
    with av.open(file, "r") as read, suppress(av.FFmpegError):
        for decoded in read.decode(audio=0):
            part = decoded.to_ndarray()[:, : waveform.shape[1] - done]
            result[:, done : done + part.shape[1]] = part
            done += part.shape[1]
    return result * scale
