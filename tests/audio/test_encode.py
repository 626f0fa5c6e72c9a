"""Lossy files: exact lengths, nothing shifted, tags and covers, in our reader and in FFmpeg's."""

import io
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from stemsep.audio import open_audio, open_writer
from stemsep.audio.tags import Cover, Tags
from stemsep.audio.targets import TARGETS, parse_bitrate
from stemsep.errors import ParameterError

FORMATS = ["mp3", "ogg", "opus", "m4a"]
VALUES = {
    "title": "Söng 夜",
    "artist": "The Testers",
    "album": "Round Trips",
    "album_artist": "Various",
    "track": "3/9",
    "date": "2024",
    "genre": "Rock",
    "composer": "Anon",
    "comment": "a comment",
}


def smooth_noise(channels: int, samples: int) -> np.ndarray:
    """Noise below about 8 kHz, which every encoder keeps."""
    white = np.random.default_rng(0).standard_normal((channels, samples + 7))
    kernel = np.ones(8) / 8
    rows = [np.convolve(row, kernel, "valid") for row in white]
    return (0.2 * np.stack(rows)).astype(np.float32)


def cover() -> Cover:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(data, "JPEG")
    return Cover(data=data.getvalue(), codec="mjpeg", width=40, height=30)


def write(path: Path, waveform: np.ndarray, kind: str, **options) -> Path:
    settings = {"sample_rate": 48_000, "bit_depth": None, "samples": waveform.shape[1], **options}
    with open_writer(path, format=kind, channels=len(waveform), **settings) as writer:
        for block in np.array_split(waveform, 3, axis=1):
            writer.write(block)
    return path


def by_ffmpeg(path: Path, channels: int) -> np.ndarray:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(decoded, np.float32).reshape(-1, channels).T


def by_us(path: Path) -> np.ndarray:
    with open_audio(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)


def shift(decoded: np.ndarray, waveform: np.ndarray) -> int:
    """Return by how many samples the cross-correlation says that ``decoded`` is late."""
    size = 2 * waveform.shape[1]
    spectra = np.fft.rfft(decoded[0], size) * np.conj(np.fft.rfft(waveform[0], size))
    peak = int(np.argmax(np.fft.irfft(spectra)))
    return peak if peak < size // 2 else peak - size


@pytest.mark.parametrize("decode", [by_ffmpeg, by_us])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("samples", [5_000, 48_000, 100_003])
def test_as_many_samples_come_back_and_none_is_shifted(tmp_path, kind, samples, decode):
    waveform = smooth_noise(2, samples)
    path = write(tmp_path / f"x.{kind}", waveform, kind)
    decoded = decode(path, 2) if decode is by_ffmpeg else decode(path)
    assert decoded.shape == waveform.shape
    assert shift(decoded, waveform) == 0
    error = np.square(decoded - waveform).mean() / np.square(waveform).mean()
    assert error < 0.1


@pytest.mark.parametrize("kind", FORMATS)
def test_mono_is_mono_and_other_rates_are_kept(tmp_path, kind):
    waveform = smooth_noise(1, 20_000)
    rate = 48_000 if kind == "opus" else 22_050
    path = write(tmp_path / "x", waveform, kind, sample_rate=rate)
    with open_audio(path) as reader:
        assert (reader.info.channels, reader.info.sample_rate) == (1, rate)
        assert reader.info.lossy
    assert by_us(path).shape == (1, 20_000)


@pytest.mark.parametrize(
    ("kind", "channels"), [*(("m4a", n) for n in (3, 4, 5, 6)), ("flac", 6), ("flac", 8)]
)
def test_more_channels_keep_their_order(tmp_path, kind, channels):
    waveform = np.zeros((channels, 24_000), np.float32)
    for channel in range(channels):
        hz = 40 if channel == 3 and channels > 5 else 200 + 100 * channel  # subwoofer: low
        waveform[channel] = 0.3 * np.sin(2 * np.pi * hz * np.arange(24_000) / 48_000)
    depth = 24 if kind == "flac" else None
    block = waveform if depth is None else (waveform * 2**23).astype(np.int32)
    decoded = by_us(write(tmp_path / "x", block, kind, bit_depth=depth)).astype(np.float64)
    similarity = np.abs(np.corrcoef(np.concatenate([waveform, decoded]))[:channels, channels:])
    assert similarity.argmax(1).tolist() == list(range(channels))


@pytest.mark.parametrize("kind", ["wav", "flac", *FORMATS])
def test_tags_and_cover_travel(tmp_path, kind):
    lossless = kind in ("wav", "flac")
    waveform = smooth_noise(2, 9_000)
    block = (waveform * 32_767).astype(np.int32) if lossless else waveform
    depth = 16 if lossless else None
    tags = Tags(values=VALUES, cover=cover())
    path = write(tmp_path / f"x.{kind}", block, kind, bit_depth=depth, tags=tags)
    with open_audio(path) as reader:
        found = reader.tags
    kept = VALUES
    if kind == "wav":  # its list has no place for these, nor for a cover
        kept = {n: v for n, v in VALUES.items() if n not in ("album_artist", "composer")}
    assert found.values == kept
    if kind == "wav":
        assert found.cover is None
    else:
        assert found.cover == tags.cover


@pytest.mark.parametrize("kind", FORMATS)
def test_equal_sound_is_an_equal_file(tmp_path, kind):
    waveform, tags = smooth_noise(2, 9_000), Tags(values=VALUES, cover=cover())
    one, other = (write(tmp_path / name, waveform, kind, tags=tags) for name in "ab")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_bit_rate_is_what_was_asked_for(tmp_path, kind):
    waveform = smooth_noise(2, 480_000)
    sizes = []
    for bitrate in (96_000, 192_000):
        path = write(tmp_path / f"{bitrate}", waveform, kind, bitrate=bitrate)
        sizes.append(path.stat().st_size * 8 / 10)
    assert sizes == pytest.approx([96_000, 192_000], rel=0.3)


@pytest.mark.parametrize(
    ("text", "bits"), [("192k", 192_000), ("192", 192_000), (192_000, 192_000), ("96K", 96_000)]
)
def test_bit_rates_are_read(text, bits):
    assert parse_bitrate(text, "mp3") == bits


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("fast", "mp3", "bit rate 'fast': give a number such as 192k"),
        ("999k", "mp3", "mp3 takes 8k to 320k"),
        ("192k", "flac", "flac is lossless and has no bit rate"),
    ],
)
def test_bit_rates_that_cannot_be(text, kind, message):
    with pytest.raises(ParameterError, match=message):
        parse_bitrate(text, kind)


def test_all_lossy_formats_have_a_default_within_their_limits():
    for target in TARGETS.values():
        if target.bitrates:
            assert target.bitrates[0] <= 2 * target.bitrate <= target.bitrates[1]


def test_a_cut_of_lame_delay_is_honoured_when_reading(tmp_path):
    path = write(tmp_path / "x.mp3", smooth_noise(2, 30_000), "mp3")
    with av.open(str(path)) as container:
        packets = sum(p.size > 0 for p in container.demux(audio=0))
    assert packets * 1152 > 30_000 + 576  # the file has more than the sound
    assert by_us(path).shape == (2, 30_000)
