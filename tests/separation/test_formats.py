"""Stems in every format, parts of songs, gain, and what is reported of them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep.audio import read_audio
from stemsep.audio.tags import Tags
from stemsep.audio.write import open_writer
from stemsep.errors import AudioFileError, ParameterError
from stemsep.separation import OutputConfig, Part
from stemsep.separation.report import done_entry, write_report
from tests.separation.test_files import SEPARATOR, STEMS, noise, write

LOSSY = ["mp3", "ogg", "opus", "m4a"]


def separate(song: Path, output: Path, *, part: Part | None = None, **options):
    return SEPARATOR.separate_file(song, output, options=OutputConfig(**options), part=part)


@pytest.fixture
def song(tmp_path) -> Path:
    return write(tmp_path / "song.wav", noise(samples=80_000), 16_000)


@pytest.mark.parametrize("format", LOSSY)
def test_lossy_stems_have_the_exact_length_and_sound_like_the_lossless_ones(tmp_path, song, format):
    exact = separate(song, tmp_path / "a", bit_depth="32f").written
    lossy = separate(song, tmp_path / "b", format=format, bitrate="160k").written
    for stem, path in lossy.items():
        decoded, rate = read_audio(path)
        assert rate == (48_000 if format == "opus" else 16_000)
        assert decoded.shape[1] == 80_000 * rate // 16_000
        reference = soundfile.read(exact[stem], dtype="float32")[0].T
        decoded = decoded[:, :: rate // 16_000]
        assert np.corrcoef(decoded[0], reference[0])[0, 1] > 0.9


def test_a_stem_file_holds_the_song_and_its_four_stems(tmp_path, song):
    result = separate(song, tmp_path / "o", format="stem.mp4")
    (path,) = result.written.values()
    assert path == tmp_path / "o" / "song.stem.mp4"
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["aac"] * 5
    with pytest.raises(ParameterError, match="a stem file holds drums, bass, other, vocals"):
        separate(song, tmp_path / "p", format="stem.mp4", stems="2")


@pytest.mark.parametrize("format", ["wav", "flac", *LOSSY, "stem.mp4"])
def test_tags_go_from_the_song_to_its_stems(tmp_path, format):
    song, tags = tmp_path / "song.flac", Tags(values={"title": "Ö", "artist": "B"})
    steps = (noise() * 2**15).astype(np.int32).T
    with open_writer(
        song, format="flac", sample_rate=16_000, channels=2, bit_depth=16, tags=tags
    ) as writer:
        writer.write(steps)
    for path in separate(song, tmp_path / "o", format=format).written.values():
        shown = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.casefold()
        assert "title=ö" in shown
        assert "artist=b" in shown


@pytest.mark.parametrize("format", ["wav", "m4a"])
def test_a_part_is_the_same_as_a_song_cut_before(tmp_path, song, format):
    data = soundfile.read(song, dtype="int16")[0]
    cut = write(tmp_path / "cut.wav", data[16_000:40_000], 16_000)
    part = Part(start_seconds=1, duration_seconds=1.5)
    of_song = separate(song, tmp_path / "a", part=part, format=format)
    of_cut = separate(cut, tmp_path / "b", format=format)
    assert of_song.seconds == 1.5
    assert of_song.seconds_in == 5
    for stem in STEMS:
        assert of_song.written[stem].read_bytes() == of_cut.written[stem].read_bytes()


def test_a_preview_is_the_loudest_half_minute(tmp_path):
    data = 0.1 * noise(samples=45 * 8000)
    data[10 * 8000 : 40 * 8000] *= 3
    long = write(tmp_path / "long.wav", data)
    result = separate(long, tmp_path / "o", part=Part(preview=True), stems="vocals")
    part = Part(start_seconds=10, duration_seconds=30)
    expected = separate(long, tmp_path / "p", part=part, stems="vocals")
    assert result.seconds == 30
    assert result.written["vocals"].read_bytes() == expected.written["vocals"].read_bytes()


def test_a_part_beyond_the_end_is_one_line_and_leaves_nothing(tmp_path, song):
    with pytest.raises(ParameterError, match=r"song\.wav' ends before the part"):
        separate(song, tmp_path / "o", part=Part(start_seconds=6))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_seconds": -1},
        {"start_seconds": float("nan")},
        {"duration_seconds": 0},
        {"preview": True, "start_seconds": 1},
    ],
)
def test_parts_that_cannot_be(wrong):
    with pytest.raises(ParameterError):
        Part(**wrong)


@pytest.mark.parametrize("depth", ["16", "32f"])
def test_one_gain_for_all_keeps_everything_within_full_scale(tmp_path, depth):
    loud = write(tmp_path / "loud.wav", noise(scale=0.9).astype(np.float32), subtype="FLOAT")
    result = separate(loud, tmp_path / "o", clip="gain", bit_depth=depth)
    assert result.gain_db < -1
    assert result.clipped == result.corrected == 0
    assert 0.999 < result.peak <= 1 or np.abs(soundfile.read(loud)[0]).max() > 1
    total = sum(soundfile.read(path)[0] for path in result.written.values())
    expected = soundfile.read(loud)[0] * 10 ** (result.gain_db / 20)
    assert np.abs(total - expected).max() < 2 / 32768


def test_without_need_a_gain_changes_nothing(tmp_path, song):
    plain = separate(song, tmp_path / "a").written
    gained = separate(song, tmp_path / "b", clip="gain")
    assert gained.gain_db == 0
    assert all(gained.written[s].read_bytes() == plain[s].read_bytes() for s in STEMS)


def test_the_report_of_a_song_is_json_with_its_numbers(tmp_path, song):
    result = separate(song, tmp_path / "o")
    entry = done_entry(result, load_seconds=0.5)
    assert entry["status"] == "done"
    assert entry["seconds_in"] == entry["seconds_out"] == 5
    assert entry["residual_db"] is None  # nothing is missing, to the bit
    assert 0 < entry["peak"] <= 1
    assert set(entry["real_time_factor"]) == {"load", "decode", "network", "encode", "total"}
    assert all(factor > 0 for factor in entry["real_time_factor"].values())
    write_report({"files": [entry]}, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["files"] == [entry]
    lossy = separate(song, tmp_path / "p", bit_depth="32f")
    assert lossy.residual_db < -120


def test_samples_beyond_full_scale_are_counted(tmp_path):
    loud = write(tmp_path / "loud.wav", np.full((3000, 2), 1.0), subtype="FLOAT")
    result = separate(loud, tmp_path / "o", bit_depth="16")
    assert result.peak <= 1
    quiet = write(tmp_path / "quiet.wav", noise(scale=0.01))
    assert separate(quiet, tmp_path / "o").corrected == 0


@pytest.mark.parametrize(("format", "channels"), [("mp3", 3), ("opus", 4), ("m4a", 7)])
def test_too_many_channels_are_told_before_any_work(tmp_path, format, channels):
    wide = write(tmp_path / "wide.wav", noise(channels=channels))
    with pytest.raises(ParameterError, match=f"{format.upper()} cannot hold {channels} channels"):
        separate(wide, tmp_path / "o", format=format)
    assert not (tmp_path / "o").exists()


def test_a_picture_needs_a_folder(tmp_path, song):
    with pytest.raises(ParameterError, match="a picture needs a folder"):
        SEPARATOR.separate_file(song, "-", options=OutputConfig(stems="vocals"), picture=object())


def test_an_unreadable_song_is_named(tmp_path):
    with pytest.raises(AudioFileError, match="no such file"):
        separate(tmp_path / "none.wav", tmp_path / "o", format="m4a")
