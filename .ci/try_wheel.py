"""Separate songs of several formats with an installed stemsep and check what comes out.

    python try_wheel.py EXAMPLE_SONG

Run by `.ci/run` in a clean environment, outside the checkout.
"""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from stemsep.audio import read_audio

STEMS = ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]


def encode(path: Path, codec: str, waveform: np.ndarray, rate: int) -> None:
    """Write (2, samples) float32 with one of FFmpeg's encoders."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(stream.format, "stereo", rate, stream.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def check(song: Path, decoded: np.ndarray, rate: int, depth: int) -> None:
    """Assert four stems of the song's length, rate and channels that sum to it."""
    stems = []
    files = sorted(Path("stems", song.stem).iterdir())
    assert [file.name for file in files] == STEMS, files
    for file in files:
        info = soundfile.info(file)
        assert (info.samplerate, info.subtype) == (rate, f"PCM_{depth}"), (song, info)
        stem, _ = soundfile.read(file, dtype="int32", always_2d=True)
        stems.append(stem.astype(np.int64) >> (32 - depth))
    total = sum(stems)
    assert total.shape == decoded.shape, (song, total.shape, decoded.shape)
    scale = 2 ** (depth - 1)
    steps = np.clip(np.rint(decoded * float(scale)), -scale, scale - 1)
    assert np.array_equal(total, steps), song
    print(f"{song.name}: four stems of {len(total)} samples that sum to the song")


def main(example: Path) -> None:
    """Make the songs, separate them in one run, and check each."""
    waveform, rate = soundfile.read(example, dtype="float32")
    waveform = waveform[: 8 * rate]
    soundfile.write("ogg.ogg", waveform, rate)
    soundfile.write("mp3.mp3", waveform, rate)
    soundfile.write("mono.wav", waveform[:, 0], rate, subtype="PCM_16")
    soundfile.write("wide.flac", waveform, 48000, subtype="PCM_24")
    encode(Path("m4a.m4a"), "aac", waveform.T, rate)
    songs = [Path(name) for name in ("ogg.ogg", "mp3.mp3", "m4a.m4a", "mono.wav", "wide.flac")]

    program = Path(sys.executable).with_name("stemsep")
    subprocess.run([program, "separate", *songs, "-o", "stems"], check=True)
    for song in songs:
        decoded, song_rate = read_audio(song)
        check(song, decoded.T, song_rate, depth=24 if song.suffix == ".flac" else 16)
        # AAC comes in frames of 1024 samples, and its last one may be padded.
        assert 0 <= decoded.shape[1] - len(waveform) <= (1024 if song.suffix == ".m4a" else 0), song


if __name__ == "__main__":
    main(Path(sys.argv[1]))
