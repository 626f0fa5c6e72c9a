import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import correlate

from stemsep.audio import (
    BLOCK_SAMPLES,
    open_audio,
    read_audio,
    read_info,
    read_streams,
    readable_formats,
)
from stemsep.audio.libav import open_libav
from stemsep.audio.sndfile import open_sndfile
from stemsep.errors import AudioFileError
from tests.signals import integers, noise, tone

RATE = 48_000

INTEGER_KINDS = [
    *[("WAV", "PCM_U8", 8), ("WAV", "PCM_16", 16), ("WAV", "PCM_24", 24), ("WAV", "PCM_32", 32)],
    *[("WAVEX", "PCM_24", 24), ("RF64", "PCM_16", 16), ("W64", "PCM_24", 24), ("AU", "PCM_16", 16)],
    *[("AIFF", "PCM_S8", 8), ("AIFF", "PCM_24", 24), ("CAF", "PCM_32", 32), ("CAF", "ALAC_16", 16)],
    *[("FLAC", "PCM_S8", 8), ("FLAC", "PCM_16", 16), ("FLAC", "PCM_24", 24)],
]
FLOAT_KINDS = [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("RF64", "FLOAT"), ("AIFF", "FLOAT")]
LOSSY_KINDS = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]

# Codec, PyAV's sample format, container, bit depth: what goes through FFmpeg without loss.
LOSSLESS_CODECS = [
    *[("alac", "s16p", "m4a", 16), ("alac", "s32p", "m4a", 24), ("flac", "s16", "mka", 16)],
    *[("wavpack", "s16p", "wv", 16), ("tta", "s16", "tta", 16), ("pcm_s24le", "s32", "mkv", 24)],
    *[("pcm_u8", "u8", "mkv", 8), ("pcm_s16le", "s16", "mov", 16)],
]


def write(path: Path, values: NDArray, *, kind: str, subtype: str, rate: int = RATE) -> Path:
    """Write ``(channels, samples)`` with libsndfile; integers are left-justified int32."""
    with soundfile.SoundFile(path, "w", rate, len(values), subtype, format=kind) as file:
        for start in range(0, values.shape[1], 4_096):  # a long Vorbis block would crash it
            file.write(np.ascontiguousarray(values[:, start : start + 4_096].T))
    return path


def write_av(
    path: Path, codec: str, sample_format: str, *streams: NDArray, rate: int = RATE
) -> Path:
    """Write streams ``(channels, samples)``, already of the sample format, with FFmpeg."""
    options = {"movflags": "faststart"} if path.suffix in (".m4a", ".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        outputs = []
        for values in streams:
            output = container.add_stream(codec, rate=rate)
            output.layout = "stereo" if len(values) == 2 else "mono"
            output.format = sample_format
            outputs.append(output)
        for output, values in zip(outputs, streams, strict=True):
            for start in [*range(0, values.shape[1], 4_096), None]:
                frame = start if start is None else _frame(values, start, sample_format, rate)
                container.mux(output.encode(frame))
    return path


def _frame(values: NDArray, start: int, sample_format: str, rate: int) -> av.AudioFrame:
    block = values[:, start : start + 4_096]
    planes = block if sample_format.endswith("p") else block.T.reshape(1, -1)
    layout = "stereo" if len(values) == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), sample_format, layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
    return frame


def write_video(path: Path, *, sound: NDArray | None) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = None if sound is None else container.add_stream("aac", rate=RATE, layout="stereo")
        for number in range(5):
            picture = np.full((64, 64, 3), 50 * number, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            for start in range(0, sound.shape[1], 4_096):
                container.mux(audio.encode(_frame(sound, start, "fltp", RATE)))
            container.mux(audio.encode(None))
    return path


def cut_in_half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def read_all(path: Path) -> tuple[NDArray, float]:
    """Return the joined blocks and the missing seconds, once every block has been checked."""
    with open_audio(path) as reader:
        blocks = list(reader.blocks())
        expected = np.float32 if reader.info.bit_depth is None else np.int32
        assert all(block.shape[1] == BLOCK_SAMPLES for block in blocks[:-1])
        assert all(block.dtype == expected and block.flags.c_contiguous for block in blocks)
        assert {len(block) for block in blocks} == {reader.info.channels}
        return np.concatenate(blocks, axis=1), reader.missing_seconds


def delay(estimate: NDArray, reference: NDArray) -> int:
    """Return by how many samples the estimate comes late."""
    samples = min(estimate.shape[-1], reference.shape[-1])
    correlation = correlate(estimate[0, :samples], reference[0, :samples], method="fft")
    return int(np.argmax(correlation)) - (samples - 1)


def smooth_noise(channels: int, samples: int) -> NDArray[np.float32]:
    """Return noise that lossy codecs keep, being mostly below 8 kHz."""
    kernel = np.hanning(9) / np.hanning(9).sum()
    rows = [np.convolve(row, kernel, mode="same") for row in noise(channels, samples)]
    return np.array(rows, np.float32)


@pytest.mark.parametrize(("kind", "subtype", "bits"), INTEGER_KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_integer_sound_is_exact(tmp_path, kind, subtype, bits, channels):
    values = integers(channels, BLOCK_SAMPLES + 6, bits=bits) << (32 - bits)
    path = write(tmp_path / "x", values, kind=kind, subtype=subtype)
    info = read_info(path)
    assert (info.sample_rate, info.channels, info.bit_depth) == (RATE, channels, bits)
    assert (info.samples, info.lossy, info.path) == (BLOCK_SAMPLES + 6, False, path)
    result, missing = read_all(path)
    assert np.array_equal(result, values)
    assert missing == 0


@pytest.mark.parametrize(("kind", "subtype"), FLOAT_KINDS)
def test_float_sound_is_exact_even_beyond_full_scale(tmp_path, kind, subtype):
    values = 30 * noise(3, 1_000)
    path = write(tmp_path / "x", values, kind=kind, subtype=subtype)
    assert read_info(path).bit_depth is None
    assert not read_info(path).lossy
    assert np.array_equal(read_all(path)[0], values)


@pytest.mark.parametrize(("codec", "sample_format", "suffix", "bits"), LOSSLESS_CODECS)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_sound_is_exact_through_ffmpeg(
    tmp_path, codec, sample_format, suffix, bits, channels
):
    values = integers(channels, 10_001, bits=bits) << (32 - bits)
    native = {"u8": (values >> 24) + 128, "s1": values >> 16, "s3": values}[sample_format[:2]]
    native = native.astype({"u8": np.uint8, "s1": np.int16, "s3": np.int32}[sample_format[:2]])
    path = write_av(tmp_path / f"x.{suffix}", codec, sample_format, native)
    info = read_info(path)
    assert (info.bit_depth, info.lossy) == (bits, False)
    result, missing = read_all(path)
    assert np.array_equal(result, values)
    assert missing == 0


@pytest.mark.parametrize(("kind", "subtype"), LOSSY_KINDS)
def test_lossy_sound_has_its_exact_length_and_no_delay(tmp_path, kind, subtype):
    waveform = smooth_noise(2, 2 * RATE + 1)
    path = write(tmp_path / "x", waveform, kind=kind, subtype=subtype)
    assert read_info(path).lossy
    result, missing = read_all(path)
    assert result.shape == waveform.shape
    assert delay(result, waveform) == 0
    assert missing == 0


@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("mkv", "aac"), ("mp4", "aac")])
def test_aac_has_no_delay_and_at_most_a_frame_too_much(tmp_path, suffix, codec):
    waveform = smooth_noise(2, 2 * RATE + 1)
    path = write_av(tmp_path / f"x.{suffix}", codec, "fltp", waveform)
    result, missing = read_all(path)
    assert 0 <= result.shape[1] - waveform.shape[1] < 1_024
    assert delay(result, waveform) == 0
    assert missing == 0


def test_mp3_decodes_the_same_as_with_another_decoder(tmp_path):
    path = write(tmp_path / "x", smooth_noise(2, RATE), kind="MP3", subtype="MPEG_LAYER_III")
    other = soundfile.read(path, dtype="float32")[0].T
    assert np.abs(read_audio(path)[0] - other).max() < 1e-5


def test_ogg_decodes_the_same_as_with_another_decoder(tmp_path):
    path = write(tmp_path / "x", smooth_noise(2, RATE), kind="OGG", subtype="VORBIS")
    opened = open_libav(path)
    other = np.concatenate(list(opened.blocks), axis=1)
    opened.close()
    assert np.abs(read_audio(path)[0] - other).max() < 1e-5


def test_the_sound_of_a_video_is_read(tmp_path):
    waveform = smooth_noise(2, RATE)
    result, rate = read_audio(write_video(tmp_path / "x.mp4", sound=waveform))
    assert rate == RATE
    assert delay(result, waveform) == 0


@given(
    channels=st.sampled_from([1, 2, 3, 6, 8, 11]),
    rate=st.sampled_from([8_000, 11_025, 44_100, 96_000, 192_000]),
    samples=st.sampled_from([1, 2, 4_095, 65_535, 65_536, 65_537, 131_072]),
)
def test_any_channels_rate_and_length(tmp_path_factory, channels, rate, samples):
    values = integers(channels, samples, bits=16) << 16
    path = tmp_path_factory.mktemp("any") / "x.wav"
    write(path, values, kind="WAV", subtype="PCM_16", rate=rate)
    assert read_info(path).sample_rate == rate
    assert np.array_equal(read_all(path)[0], values)


def test_a_whole_file_is_read_as_float32(tmp_path):
    values = integers(2, 100_000, bits=24) << 8
    path = write(tmp_path / "x.wav", values, kind="WAV", subtype="PCM_24")
    waveform, rate = read_audio(path)
    assert rate == RATE
    assert waveform.dtype == np.float32
    assert np.array_equal(waveform.astype(np.float64) * 2**31, values)


def test_a_text_path_is_a_path(tmp_path):
    path = write(tmp_path / "x.wav", noise(1, 10), kind="WAV", subtype="FLOAT")
    assert np.array_equal(read_audio(str(path))[0], noise(1, 10))


def test_streams_of_a_container_come_apart_in_order(tmp_path):
    stems = [tone(f, samples=RATE, sample_rate=RATE)[None].repeat(2, 0) for f in (300, 500, 700)]
    floats = [stem.astype(np.float32) for stem in stems]
    path = write_av(tmp_path / "x.stem.mp4", "aac", "fltp", *floats)
    waveforms, rate = read_streams(path)
    assert rate == RATE
    assert len({waveform.shape for waveform in waveforms}) == 1
    for waveform, stem in zip(waveforms, stems, strict=True):
        assert np.abs(waveform[:, 5_000:40_000] - stem[:, 5_000:40_000]).max() < 0.05
    # Read as one sound, such a file is its first stream.
    assert np.array_equal(read_audio(path)[0], waveforms[0])


NAMES = [
    *("歌曲 – 曲名.wav", "🎵🥁.wav", "x" * 196 + ".wav", "a[b](c){d}'e\"f.wav", "-x.wav", "-"),
    *("name:with:colon.wav", "http:x.wav", "pipe:0", "file:x.wav", "concat:a|b.wav", "%d.wav"),
    os.fsdecode(b"\xff\xfe.wav"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids such names")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])  # one for each decoder
def test_any_file_name_works(tmp_path, monkeypatch, name, kind):
    values = integers(1, 100, bits=16) << 16
    original = write(tmp_path / "original", values, kind=kind, subtype="PCM_16")
    monkeypatch.chdir(tmp_path)
    original.rename(name)
    assert np.array_equal(read_all(Path(name))[0], values)


def test_a_file_named_minus_is_not_the_standard_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "-", noise(1, 10), kind="WAV", subtype="PCM_16")
    opened = open_sndfile(Path("-"))
    assert opened is not None
    assert opened.info.samples == 10
    opened.close()


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        *[("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "DOUBLE"), ("WAVEX", "PCM_24")],
        *[("RF64", "PCM_24"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16")],
        *[("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")],
    ],
)
def test_a_cut_file_gives_what_is_there_and_says_what_is_missing(tmp_path, kind, subtype):
    values = noise(2, 4 * RATE)
    whole = write(tmp_path / "whole", values, kind=kind, subtype=subtype)
    expected = read_all(whole)[0]
    path = cut_in_half(write(tmp_path / "x", values, kind=kind, subtype=subtype))
    assert read_info(path).samples == 4 * RATE
    result, missing = read_all(path)
    assert 1.7 * RATE < result.shape[1] <= 2.1 * RATE
    assert missing == pytest.approx(4 - result.shape[1] / RATE)
    sure = slice(0, int(1.6 * RATE))
    assert np.array_equal(result[:, sure], expected[:, sure])


@pytest.mark.parametrize(
    ("codec", "sample_format", "suffix"),
    [
        ("aac", "fltp", "m4a"),
        ("alac", "s16p", "m4a"),
        ("tta", "s16", "tta"),
        ("aac", "fltp", "mkv"),
    ],
)
def test_a_cut_container_says_what_is_missing(tmp_path, codec, sample_format, suffix):
    waveform = noise(2, 4 * RATE)
    values = waveform if codec == "aac" else (waveform * 32_767).astype(np.int16)
    path = cut_in_half(write_av(tmp_path / f"x.{suffix}", codec, sample_format, values))
    result, missing = read_all(path)
    assert RATE < result.shape[1] < 2.1 * RATE
    assert missing == pytest.approx(4 - result.shape[1] / RATE, abs=0.1)


def test_a_cut_ogg_gives_what_is_there(tmp_path):
    path = write(tmp_path / "x", smooth_noise(2, 4 * RATE), kind="OGG", subtype="VORBIS")
    result, missing = read_all(cut_in_half(path))
    assert RATE < result.shape[1] < 3 * RATE
    assert np.isnan(missing)  # its header promises nothing


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_is_whole(tmp_path, size):
    values = integers(2, 10_000, bits=16) << 16
    path = write(tmp_path / "x.wav", values, kind="WAV", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    result, missing = read_all(path)
    assert np.array_equal(result, values)
    assert missing == 0


def test_an_mp3_without_a_length_misses_nothing(tmp_path):
    path = write(tmp_path / "x", smooth_noise(2, 4 * RATE), kind="MP3", subtype="MPEG_LAYER_III")
    content = path.read_bytes()
    second_frame = content.index(content[:2], 100)  # the first one holds the length
    path.write_bytes(content[second_frame : len(content) // 2])
    assert read_info(path).samples is None
    assert read_all(path)[1] == 0


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "m4a"])
def test_a_damaged_middle_costs_a_part_only_and_is_told(tmp_path, suffix):
    path, waveform = tmp_path / f"x.{suffix}", smooth_noise(2, 10 * RATE)
    if suffix == "m4a":
        write_av(path, "aac", "fltp", waveform)
    else:
        subtype = {"flac": "PCM_16", "mp3": "MPEG_LAYER_III", "ogg": "VORBIS"}[suffix]
        write(path, waveform, kind=suffix.upper(), subtype=subtype)
    content = bytearray(path.read_bytes())
    middle, size = len(content) // 2, len(content) // 20
    content[middle : middle + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(content)
    result, missing = read_all(path)
    assert 0.2 < missing < 3
    assert missing == pytest.approx(10 - result.shape[1] / RATE, abs=0.001)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 3 * RATE + 480])
def test_a_non_finite_sample_is_named_with_its_second(tmp_path, value, at):
    values = noise(2, 4 * RATE)
    values[1, at] = value
    path = write(tmp_path / "x.wav", values, kind="WAV", subtype="FLOAT")
    message = rf"'.*x\.wav': it has a non-finite sample \(NaN or infinity\) at {at / RATE:.3f} s"
    with open_audio(path) as reader, pytest.raises(AudioFileError, match=message):
        list(reader.blocks())
    with pytest.raises(AudioFileError, match="non-finite"):
        read_audio(path)


def test_a_non_finite_sample_in_a_stream_is_named(tmp_path):
    values = noise(2, RATE)
    values[0, RATE // 2] = np.nan
    path = write_av(tmp_path / "x.mov", "pcm_f32le", "flt", noise(2, RATE), values)
    with pytest.raises(AudioFileError, match=r"non-finite sample \(NaN or infinity\) at 0.500 s"):
        read_streams(path)


def test_sound_that_changes_its_rate_is_refused(tmp_path):
    parts = [
        write_av(tmp_path / f"{rate}.aac", "aac", "fltp", noise(2, 20_000), rate=rate)
        for rate in (44_100, 48_000)
    ]
    path = tmp_path / "x.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(AudioFileError, match="changes from 44100 Hz with 2 channels to 48000 Hz"):
        read_audio(path)


def bad_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield files that hold no sound, and a part of the message for each."""
    contents = {
        "empty.wav": (b"", "empty"),
        "text.wav": (b"These are the words of a song. " * 500, "not a sound file"),
        "text.mp3": (b"These are the words of a song. " * 500, "not a sound file"),
        "noise.mp3": (np.random.default_rng(1).bytes(20_000), "not a sound file"),
        "list.mp3": (b"ffconcat version 1.0\nfile good.wav\n", "not a sound file"),
        "header.wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not a sound file"),
        "head.flac": (b"fLaC", "cannot read"),
    }
    for name, (content, message) in contents.items():
        (folder / name).write_bytes(content)
        yield folder / name, message
    good = write(folder / "good.wav", noise(2, 1_000), kind="WAV", subtype="PCM_16")
    for size in (44, 20):
        path = folder / f"first-{size}.wav"
        path.write_bytes(good.read_bytes()[:size])
        yield path, "cannot read"
    zero = write(folder / "zero.wav", np.zeros((2, 0)), kind="WAV", subtype="PCM_16")
    yield zero, "not one sample"
    with av.open(str(folder / "picture.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
        container.mux(stream.encode(picture))
    (folder / "picture.png").rename(folder / "picture.wav")
    yield folder / "picture.wav", "no sound in it"
    yield write_video(folder / "silent.mp4", sound=None), "no sound in it"
    yield folder / "missing.wav", "no such file"
    yield folder, "folder"
    yield folder / ("x" * 300), "name too long"


def test_what_is_no_sound_is_told_in_one_line(tmp_path):
    for path, message in bad_files(tmp_path):
        for read in (read_audio, read_streams):
            with pytest.raises(AudioFileError) as caught:
                read(path)
            text = str(caught.value)
            assert "\n" not in text
            assert text.startswith(f"cannot read '{path}': ")
            assert ";" in text
            if read is read_audio:
                assert message in text.lower()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_file_without_permission_is_told(tmp_path, monkeypatch):
    path = write(tmp_path / "x.wav", noise(1, 10), kind="WAV", subtype="PCM_16")

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read all
    with pytest.raises(AudioFileError, match="not allowed; change the file's permissions"):
        open_audio(path)


def test_decoders_write_nothing_to_the_standard_error_output(tmp_path):
    list(bad_files(tmp_path))
    mp3 = write(tmp_path / "cut.mp3", noise(2, RATE), kind="MP3", subtype="MPEG_LAYER_III")
    content = bytearray(mp3.read_bytes())
    content[3_000:6_000] = np.random.default_rng(0).bytes(3_000)
    mp3.write_bytes(content[:-3_000])
    cut_in_half(write_av(tmp_path / "cut.m4a", "aac", "fltp", noise(2, RATE)))
    program = """
import sys
from pathlib import Path
from stemsep.audio import read_audio
from stemsep.errors import AudioFileError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_audio(path)
        print("read", path.name)
    except AudioFileError:
        pass
"""
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["read", "cut.m4a", "read", "cut.mp3", "read", "good.wav"]
    assert run.stderr == ""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed on Linux")
def test_no_file_stays_open(tmp_path):
    def open_files() -> list[Path]:
        links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [path for path in links if tmp_path in path.parents]

    for kind in ("WAV", "FLAC"):
        path = write(tmp_path / kind, noise(1, 10), kind=kind, subtype="PCM_16")
        with open_audio(path):
            assert open_files() == [path]
        assert open_files() == []
    for path, _ in bad_files(tmp_path):
        with pytest.raises(AudioFileError):
            read_audio(path)
    assert open_files() == []


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of Unix")
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_named_pipe_is_read(tmp_path, kind):
    values = integers(2, 100_000, bits=16) << 16
    content = write(tmp_path / "x", values, kind=kind, subtype="PCM_16").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(pipe.write_bytes, content)
        result, missing = read_all(pipe)
        writing.result()
    assert np.array_equal(result, values)
    assert missing == 0


def test_formats_have_short_names():
    names = readable_formats()
    assert {"WAV", "FLAC", "MP3", "AAC", "ALAC", "Opus", "OGG", "AIFF", "WMA"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("missing", [1, 30, 3000])
def test_an_ogg_without_the_end_of_its_last_page_is_cut(tmp_path, missing):
    path = write(tmp_path / "x", smooth_noise(2, 4 * RATE), kind="OGG", subtype="VORBIS")
    assert read_all(path)[1] == 0
    path.write_bytes(path.read_bytes()[:-missing])
    assert np.isnan(read_all(path)[1])
