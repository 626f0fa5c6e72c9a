import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep import Separator
from stemsep.errors import AudioFileError
from stemsep.separation.chunking import ChunkConfig
from stemsep.separation.outputs import OutputConfig
from tests.networks import STEMS, tiny_network

CHUNKS = ChunkConfig(core_frames=32, context_frames=8)
SEPARATOR = Separator(tiny_network(), device="cpu", precision="fp32", chunks=CHUNKS)


def noise(samples: int = 5000, channels: int = 2, scale: float = 0.2) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=scale, size=(samples, channels))


def write(path: Path, data: np.ndarray, rate: int = 8000, **options) -> Path:
    soundfile.write(path, data, rate, **options)
    return path


def read_steps(path: Path, subtype: str) -> np.ndarray:
    shift = 32 - int(subtype.removeprefix("PCM_"))
    return soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64) >> shift


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(
    ("suffix", "subtype", "format"),
    [
        ("wav", "PCM_16", "wav"),
        ("wav", "PCM_24", "wav"),
        ("wav", "PCM_32", "wav"),
        ("flac", "PCM_16", "flac"),
        ("flac", "PCM_24", "flac"),
        ("flac", "PCM_24", "wav"),
    ],
)
def test_integer_stems_sum_to_the_file_bit_for_bit(
    tmp_path,
    suffix,
    subtype,
    format,
    channels,
    rate,
):
    data = np.clip(noise(channels=channels, scale=0.5), -1, 1)  # some samples at full scale
    song = write(tmp_path / f"song.{suffix}", data, rate, subtype=subtype)
    result = SEPARATOR.separate_file(song, tmp_path / "o", options=OutputConfig(format=format))
    infos = {soundfile.info(path).subtype for path in result.written.values()}
    assert infos == {subtype}
    total = sum(read_steps(path, subtype) for path in result.written.values())
    assert np.array_equal(total, read_steps(song, subtype))


def test_eight_bit_sound_becomes_sixteen_and_sums_exactly(tmp_path):
    song = write(tmp_path / "song.wav", noise(), subtype="PCM_U8")
    result = SEPARATOR.separate_file(song, tmp_path / "o")
    total = sum(read_steps(path, "PCM_16") for path in result.written.values())
    assert np.array_equal(total, read_steps(song, "PCM_16"))


def test_float_stems_sum_to_the_file_within_rounding(tmp_path):
    song = write(tmp_path / "song.wav", noise(scale=0.6).astype(np.float32), subtype="FLOAT")
    result = SEPARATOR.separate_file(song, tmp_path / "o")
    stems = [soundfile.read(path)[0] for path in result.written.values()]
    assert soundfile.info(result.written["bass"]).subtype == "FLOAT"
    assert np.abs(sum(stems) - soundfile.read(song)[0]).max() < 1e-6
    assert result.clipped == 0


def test_lossy_stems_sum_to_the_decoded_samples_within_a_step(tmp_path):
    song = write(tmp_path / "song.ogg", noise(), format="OGG", subtype="VORBIS")
    decoded = soundfile.read(song)[0]
    auto = SEPARATOR.separate_file(song, tmp_path / "o")
    total = sum(read_steps(path, "PCM_16") for path in auto.written.values())
    assert np.abs(total - decoded * 32768).max() <= 1
    options = OutputConfig(bit_depth="32f")
    exact = SEPARATOR.separate_file(song, tmp_path / "f", options=options)
    total = sum(soundfile.read(path)[0] for path in exact.written.values())
    assert np.abs(total - decoded).max() < 1e-6


def test_sound_beyond_full_scale_is_limited_and_counted(tmp_path):
    data = noise().astype(np.float32)
    data[100:110, 0] = 1.5
    song = write(tmp_path / "song.wav", data, subtype="FLOAT")
    result = SEPARATOR.separate_file(song, tmp_path / "o", options=OutputConfig(bit_depth="16"))
    assert result.clipped == 10
    total = sum(read_steps(path, "PCM_16") for path in result.written.values())
    assert (total[100:110, 0] == 32767).all()


def test_the_file_gives_the_samples_of_the_array(tmp_path):
    data = noise(samples=150_000).astype(np.float32)
    song = write(tmp_path / "song.wav", data, 11025, subtype="FLOAT")
    result = SEPARATOR.separate_file(song, tmp_path / "o")
    stems = SEPARATOR.separate(data.T, 11025)
    for stem, path in result.written.items():
        assert np.array_equal(soundfile.read(path, dtype="float32")[0].T, stems[stem].numpy())


def test_two_runs_write_identical_files(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    first, second = (SEPARATOR.separate_file(song, tmp_path / name).written for name in "ab")
    assert all(first[stem].read_bytes() == second[stem].read_bytes() for stem in STEMS)


def test_two_stems_are_vocals_and_the_sum_of_the_rest(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    all_four = SEPARATOR.separate_file(song, tmp_path / "four").written
    two = SEPARATOR.separate_file(song, tmp_path / "two", options=OutputConfig(stems="2")).written
    assert list(two) == ["vocals", "accompaniment"]
    rest = sum(read_steps(all_four[stem], "PCM_16") for stem in ("drums", "bass", "other"))
    assert np.abs(read_steps(two["accompaniment"], "PCM_16") - rest).max() <= 1
    assert np.array_equal(
        sum(read_steps(path, "PCM_16") for path in two.values()), read_steps(song, "PCM_16")
    )


def test_one_stem_is_the_same_alone_as_among_all(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    alone = SEPARATOR.separate_file(song, tmp_path / "a", options=OutputConfig(stems="drums"))
    together = SEPARATOR.separate_file(song, tmp_path / "b")
    assert list(alone.written) == ["drums"]
    assert alone.written["drums"].read_bytes() == together.written["drums"].read_bytes()


def test_existing_stems_are_an_error_by_default(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    SEPARATOR.separate_file(song, tmp_path / "o")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "o").rglob("*.wav")}
    with pytest.raises(AudioFileError, match="is there already; use --overwrite"):
        SEPARATOR.separate_file(song, tmp_path / "o")
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "o").rglob("*.wav")}


def test_skipping_writes_only_what_is_missing_and_gives_the_same_files(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    whole = SEPARATOR.separate_file(song, tmp_path / "a").written
    part = SEPARATOR.separate_file(song, tmp_path / "b").written
    part["bass"].unlink()
    part["drums"].write_bytes(b"mine")
    skipping = OutputConfig(existing="skip")
    result = SEPARATOR.separate_file(song, tmp_path / "b", options=skipping)
    assert list(result.written) == ["bass"]
    assert sorted(result.kept) == ["drums", "other", "vocals"]
    assert part["bass"].read_bytes() == whole["bass"].read_bytes()
    assert part["drums"].read_bytes() == b"mine"
    again = SEPARATOR.separate_file(song, tmp_path / "b", options=skipping)
    assert not again.written


def test_overwriting_replaces(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    stems = SEPARATOR.separate_file(song, tmp_path / "o").written
    stems["bass"].write_bytes(b"old")
    SEPARATOR.separate_file(song, tmp_path / "o", options=OutputConfig(existing="overwrite"))
    assert soundfile.info(stems["bass"]).frames == 5000


def test_a_file_that_fails_in_the_middle_leaves_nothing(tmp_path):
    data = noise(samples=200_000).astype(np.float32)
    data[190_000] = np.nan
    song = write(tmp_path / "song.wav", data, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"song\.wav.*non-finite.*23\.750 s"):
        SEPARATOR.separate_file(song, tmp_path / "deep" / "o")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["song.wav"]


def test_a_cut_file_is_separated_as_far_as_it_goes(tmp_path):
    song = write(tmp_path / "song.wav", noise(samples=80_000))
    song.write_bytes(song.read_bytes()[: 44 + 4 * 60_000])
    result = SEPARATOR.separate_file(song, tmp_path / "o")
    assert result.missing_seconds == pytest.approx(2.5, abs=0.01)
    assert soundfile.info(result.written["bass"]).frames == 60_000


def test_a_cut_ogg_is_told_though_not_by_how_much(tmp_path):
    song = write(tmp_path / "song.ogg", noise(samples=80_000), format="OGG", subtype="VORBIS")
    assert SEPARATOR.separate_file(song, tmp_path / "whole").missing_seconds == 0
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    assert math.isnan(SEPARATOR.separate_file(song, tmp_path / "cut").missing_seconds)


def test_leftovers_are_removed_though_the_run_then_fails(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    folder = tmp_path / "o" / "song"
    folder.mkdir(parents=True)
    (folder / ".stemsep-0123456789ab.part").write_bytes(b"half a stem")
    (folder / "bass.wav").write_bytes(b"mine")
    with pytest.raises(AudioFileError, match="is there already"):
        SEPARATOR.separate_file(song, tmp_path / "o")
    assert [p.name for p in folder.iterdir()] == ["bass.wav"]


def test_leftovers_of_a_killed_run_are_removed_by_the_next(tmp_path):
    song = write(tmp_path / "song.wav", noise())
    folder = tmp_path / "o" / "song"
    folder.mkdir(parents=True)
    (folder / ".stemsep-0123456789ab.part").write_bytes(b"half a stem")
    SEPARATOR.separate_file(song, tmp_path / "o")
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{stem}.wav" for stem in STEMS)


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "opus", "m4a"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, format):
    write(tmp_path / "song.wav", noise(samples=100_000))
    script = f"""
import resource, signal
from stemsep.errors import AudioFileError
from stemsep.separation.outputs import OutputConfig
from tests.separation.test_files import SEPARATOR
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    SEPARATOR.separate_file("song.wav", "o", options=OutputConfig(format={format!r}))
except AudioFileError as error:
    print(error)
"""
    root = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.count("\n") == 1
    assert "cannot write 'o/song/vocals." in ran.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["song.wav"]


def test_names_of_all_kinds(tmp_path):
    for name in ("夜曲🎵.wav", "[x] (1) {y}.wav", "-dash.wav", "n" * 200 + ".wav", "a b'c\"d.wav"):
        song = write(tmp_path / name, noise(samples=500))
        written = SEPARATOR.separate_file(song, tmp_path / "o").written
        assert soundfile.info(written["vocals"]).frames == 500
        assert written["vocals"].parent.name == song.stem
