import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from stemsep.audio import check_writable, open_audio, open_writer, partial_file, writable_formats
from stemsep.errors import AudioFileError, ParameterError
from tests.signals import integers, noise

INTEGER_KINDS = [("wav", 16), ("wav", 24), ("wav", 32), ("flac", 16), ("flac", 24)]

FILL_A_SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from stemsep.audio import open_writer
from stemsep.errors import AudioFileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
noise = np.random.default_rng(0).integers(-32768, 32768, (2, 5_000)).astype(np.int32)
try:
    with open_writer(Path(sys.argv[1]), format=sys.argv[2], sample_rate=44100, channels=2,
                     bit_depth=16) as writer:
        for _ in range(10):
            writer.write(noise)
except AudioFileError as error:
    print(error)
"""


def written(path: Path, values: np.ndarray, *, kind: str, bit_depth: int | None) -> np.ndarray:
    """Write the values in pieces; return what the file holds, as left-justified int32 or float."""
    with open_writer(
        path, format=kind, sample_rate=44_100, channels=len(values), bit_depth=bit_depth
    ) as writer:
        for block in np.array_split(values, 3, axis=1):
            writer.write(block)
    with open_audio(path) as reader:
        assert reader.info.bit_depth == bit_depth
        return np.concatenate(list(reader.blocks()), axis=1)


@pytest.mark.parametrize(("kind", "bit_depth"), INTEGER_KINDS)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_integers_come_back_exactly(tmp_path, kind, bit_depth, channels):
    values = integers(channels, 1_001, bits=bit_depth)
    result = written(tmp_path / "x.part", values, kind=kind, bit_depth=bit_depth)
    assert np.array_equal(result, values << (32 - bit_depth))


@given(samples=st.integers(1, 20_000), kind=st.sampled_from(INTEGER_KINDS))
def test_any_length_comes_back(tmp_path_factory, samples, kind):
    values = integers(1, samples, bits=kind[1])
    path = tmp_path_factory.mktemp("any") / "x.part"
    assert np.array_equal(
        written(path, values, kind=kind[0], bit_depth=kind[1]), values << (32 - kind[1])
    )


def test_floats_come_back_exactly_even_beyond_full_scale(tmp_path):
    values = 30 * noise(2, 1_000)
    assert np.abs(values).max() > 1
    assert np.array_equal(written(tmp_path / "x", values, kind="wav", bit_depth=None), values)


def test_a_float_file_does_not_hold_the_time_of_writing(tmp_path):
    path = tmp_path / "x"
    with open_writer(
        path, format="wav", sample_rate=44_100, channels=2, bit_depth=None, samples=100
    ) as writer:
        writer.write(noise(2, 100))
    contents = path.read_bytes()
    time_written = contents.index(b"PEAK") + 12
    assert contents[time_written : time_written + 4] == bytes(4)
    assert np.array_equal(soundfile.read(path, dtype="float32")[0].T, noise(2, 100))


@pytest.mark.parametrize("samples", [1_000, None])
def test_short_sound_is_a_plain_wav_whether_its_length_is_known_or_not(tmp_path, samples):
    path = tmp_path / "x.wav"
    values = integers(2, 1_000, bits=24)
    with open_writer(
        path, format="wav", sample_rate=48_000, channels=2, bit_depth=24, samples=samples
    ) as writer:
        writer.write(values)
    content = path.read_bytes()
    assert content[:4] == b"RIFF"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    data = content.index(b"data")
    assert int.from_bytes(content[data + 4 : data + 8], "little") == 1_000 * 2 * 3
    assert soundfile.info(path).frames == 1_000
    assert np.array_equal(soundfile.read(path, dtype="int32")[0].T, values << 8)


def test_sound_of_4_gib_is_rf64(tmp_path):
    path = tmp_path / "x.wav"
    with open_writer(
        path, format="wav", sample_rate=48_000, channels=2, bit_depth=None, samples=2**29
    ) as writer:
        assert writer.write(np.zeros((2, 10), np.float32)) is None
    # Shorter in the end than it was said to be: a plain WAV after all.
    assert path.read_bytes()[:4] == b"RIFF"
    path.write_bytes(b"")
    writer = open_writer(path, format="wav", sample_rate=48_000, channels=2, bit_depth=16)
    assert path.read_bytes()[:4] == b"RF64"
    writer.close()
    writer.close()


def test_a_writer_works_inside_partial_file(tmp_path):
    final = tmp_path / "vocals.flac"
    with partial_file(final) as path:
        written(path, integers(2, 100, bits=16), kind="flac", bit_depth=16)
    assert soundfile.info(final).format == "FLAC"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("flac", 44_100, 2, None), "FLAC cannot hold 32-bit float sound; choose wav"),
        (("flac", 44_100, 2, 32), "FLAC cannot hold 32-bit sound; choose wav"),
        (("flac", 44_100, 9, 16), "FLAC cannot hold 9 channels, only 1 to 8; choose wav"),
        (("flac", 700_000, 2, 16), "FLAC cannot hold a sample rate of 700000 Hz.*choose wav"),
        (("flac", 96_001, 2, 16), "FLAC cannot hold a sample rate of 96001 Hz; choose wav"),
        (("wav", 44_100, 2, 8), "WAV cannot hold 8-bit sound; choose wav with 16, 24"),
        (("wav", 44_100, 0, 16), "WAV cannot hold 0 channels"),
        (("wav", 0, 1, 16), "WAV cannot hold a sample rate of 0 Hz"),
        (("tta", 44_100, 2, 16), "unknown output format 'tta'; choose one of wav, flac, mp3"),
        (
            ("mp3", 44_100, 6, None),
            "MP3 cannot hold 6 channels, only 1 to 2; choose wav or flac or m4a",
        ),
        (("mp3", 96_000, 2, None), "MP3 cannot hold a sample rate of 96000 Hz; .*ogg or opus"),
        (("m4a", 192_000, 2, None), "M4A cannot hold a sample rate of 192000 Hz; choose wav"),
        (("ogg", 44_100, 3, None), "OGG cannot hold 3 channels, only 1 to 2; choose wav"),
        (("opus", 44_100, 9, None), "OPUS cannot hold 9 channels, only 1 to 2; choose wav"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_a_file_is_made(tmp_path, arguments, message):
    kind, sample_rate, channels, bit_depth = arguments
    with pytest.raises(ParameterError, match=message):
        check_writable(*arguments)
    with pytest.raises(ParameterError, match=message):
        open_writer(
            tmp_path / "x",
            format=kind,
            sample_rate=sample_rate,
            channels=channels,
            bit_depth=bit_depth,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("sample_rate", [1, 8_000, 44_101, 96_010, 192_000, 384_000, 655_350])
def test_what_is_said_to_be_writable_is(tmp_path, kind, sample_rate):
    check_writable(kind, sample_rate, 8, 24)
    path = tmp_path / "x"
    with open_writer(
        path, format=kind, sample_rate=sample_rate, channels=8, bit_depth=24
    ) as writer:
        writer.write(integers(8, 10, bits=24))
    assert soundfile.info(path).samplerate == sample_rate


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((1, 5), np.int32),
        np.zeros((2, 5), np.float32),
        np.zeros(5, np.int32),
        np.full((2, 5), 32_768, np.int32),
        np.full((2, 5), -32_769, np.int32),
    ],
)
def test_a_wrong_block_is_refused(tmp_path, block):
    with (
        open_writer(
            tmp_path / "x", format="wav", sample_rate=44_100, channels=2, bit_depth=16
        ) as writer,
        pytest.raises(ParameterError, match="a block to write"),
    ):
        writer.write(block)


def test_an_error_in_the_block_is_not_hidden(tmp_path):
    with (
        pytest.raises(KeyError),
        open_writer(tmp_path / "x", format="wav", sample_rate=8_000, channels=1, bit_depth=16),
    ):
        raise KeyError


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AudioFileError, match=r"cannot write '.*none.x': No such file"):
        open_writer(
            tmp_path / "none" / "x", format="wav", sample_rate=8_000, channels=1, bit_depth=16
        )


@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limit on Windows")
@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("limit", [0, 20, 100_000, 195_000])
def test_a_full_disk_is_an_error_and_nothing_else_is_printed(tmp_path, kind, limit):
    path = tmp_path / "x.part"
    run = subprocess.run(
        [sys.executable, "-c", FILL_A_SMALL_DISK, str(path), kind, str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith(f"cannot write '{path}': File too large; free space")
    assert run.stderr == ""


def test_the_formats_have_names():
    formats = ["wav", "flac", "mp3", "ogg", "opus", "m4a", "stem.mp4"]
    assert [name.split()[0] for name in writable_formats()] == formats
