import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep.cli.main import main
from stemsep.weights.checkpoint import Card, save_network
from tests.networks import STEMS, tiny_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder with the checkpoint of a tiny network in it."""
    monkeypatch.chdir(tmp_path)
    network = tiny_network()
    save_network(Path("tiny.safetensors"), network.state_dict(), network.config, Card())
    return tmp_path


def noise(seconds: float = 0.5, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=(int(seconds * 8000), channels))


def song(name: str, data: np.ndarray | None = None, **options) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(name, noise() if data is None else data, 8000, **options)
    return name


def separate(*arguments: str) -> int:
    return main(["separate", *arguments, "--model", "tiny.safetensors"])


def written(root: str = "separated") -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in Path(root).rglob("*") if p.is_file())


def test_four_stems_in_a_folder_of_the_song(folder, capsys):
    assert separate(song("song.wav"), "--stems", "4") == 0
    assert written() == sorted(f"song/{stem}.wav" for stem in STEMS)
    out, err = capsys.readouterr()
    assert out == ""
    assert "x real time" in err


def test_quiet_says_nothing_and_verbose_names_each_file(folder, capsys):
    assert separate(song("song.wav"), "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert separate("song.wav", "--verbose", "--overwrite") == 0
    assert capsys.readouterr().err.count("wrote separated/song/") == 4


def test_options_reach_the_files(folder):
    arguments = "--stems 2 --format flac --bit-depth 24 --threads 1 -o karaoke".split()
    template = ["--template", "{track} ({stem}).{ext}"]
    assert separate(song("song.wav"), *arguments, *template) == 0
    assert written("karaoke") == ["song (accompaniment).flac", "song (vocals).flac"]
    assert soundfile.info("karaoke/song (vocals).flac").subtype == "PCM_24"


def test_the_spatial_filter_is_taken_where_it_is_asked_for(folder):
    def vocals(*options: str) -> np.ndarray:
        assert separate(song("song.wav", noise(2)), *options, "--overwrite", "-q") == 0
        return soundfile.read("separated/song/vocals.wav")[0]

    assert np.abs(vocals("--spatial") - vocals()).max() > 1e-3
    assert np.array_equal(vocals("--no-spatial"), vocals())


def test_a_picture_is_drawn_beside_the_stems(folder, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert separate(song("song.wav"), "--plot") == 0
    assert written() == sorted(["song/spectrogram.png", *(f"song/{s}.wav" for s in STEMS)])
    picture = Path("separated/song/spectrogram.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    picture.write_bytes(b"mine")
    assert separate("song.wav", "--plot", "--skip-existing") == 0
    assert picture.read_bytes() == b"mine"
    picture.unlink()
    assert separate("song.wav", "--plot", "--skip-existing") == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_good_and_bad_files_in_one_folder(folder, capsys):
    song("album/good.wav")
    song("album/disc 2/also good.flac")
    song("album/nan.wav", np.full((4000, 2), np.nan), subtype="FLOAT")
    Path("album/text.wav").write_text("these are words\n" * 50)
    Path("album/empty.mp3").touch()
    Path("album/zero.wav").write_bytes(Path("album/good.wav").read_bytes()[:44])
    Path("album/damaged.flac").write_bytes(b"fLaC" + bytes(range(256)) * 20)
    Path("album/readme.txt").write_text("no sound")
    assert separate("album", "missing.wav") == 1
    assert written() == sorted(f"{t}/{s}.wav" for t in ("good", "also good") for s in STEMS)
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error")]
    assert len(errors) == 6
    for name in ("nan.wav", "text.wav", "empty.mp3", "zero.wav", "damaged.flac", "missing.wav"):
        assert sum(name in line for line in errors) == 1, (name, errors)


def test_existing_stems_fail_without_a_word_from_the_user(folder, capsys):
    assert separate(song("song.wav")) == 0
    assert separate("song.wav") == 1
    assert "use --overwrite or --skip-existing" in capsys.readouterr().err
    assert separate("song.wav", "--skip-existing") == 0
    assert separate("song.wav", "--overwrite") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--skip-existing", "--overwrite"], "exclude each other"),
        (["--format", "flac", "--bit-depth", "32f"], "FLAC holds no 32-bit float"),
        (["--stems", "kazoo"], "no stem 'kazoo'"),
        (["--template", "{artist}.wav"], "no field {artist}"),
        (["--template", "all.wav"], "put {stem} into it"),
        (["--precision", "int4"], "not one of"),
        (["--device", "cpu:x"], "no device 'cpu:x' here"),
        (["--threads", "0"], "not in the range"),
        ([""], "an argument is empty"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(folder, capsys, arguments, message):
    assert separate(song("song.wav"), *arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("separated").exists()


def test_two_songs_of_one_name_are_named_before_any_work(folder, capsys):
    assert separate(song("a/song.wav"), song("b/song.wav")) == 2
    error = capsys.readouterr().err
    assert "'a/song.wav' and 'b/song.wav' would both be written" in error
    assert not Path("separated").exists()


def test_folders_tell_songs_of_one_name_apart(folder):
    song("x/a/song.wav")
    song("x/b/song.wav")
    assert separate("x", "--template", "{folder}/{track}/{stem}.{ext}") == 0
    assert {Path(p).parts[0] for p in written()} == {"a", "b"}


def test_names_of_all_kinds_are_taken_literally(folder):
    names = ["-dash.wav", "[brackets].wav", "夜曲🎵.wav", "n" * 200 + ".wav", "100%.wav"]
    assert separate(*[song(name) for name in names]) == 0
    assert {Path(p).parts[0] for p in written()} == {Path(name).stem for name in names}


@pytest.mark.parametrize("model", ["nothing", "song.wav"])
def test_a_model_that_is_none_is_one_line(folder, capsys, model):
    assert main(["separate", song("song.wav"), "--model", model]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert model in errors


def test_debug_shows_the_traceback_and_goes_on(folder, capsys):
    assert separate("missing.wav", song("song.wav"), "--debug") == 1
    assert "Traceback" in capsys.readouterr().err
    assert len(written()) == 4


def test_a_folder_with_a_leading_dash_is_a_folder(folder):
    song("-live/song.wav")
    assert separate("-live") == 0
    assert len(written()) == 4


def test_an_error_always_names_its_song(folder, capsys):
    song("nine.wav", noise(channels=9))
    assert separate("nine.wav", "--format", "flac") == 1
    assert "'nine.wav': FLAC cannot hold 9 channels" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["file", "file/below", "a" * 300])
def test_an_output_that_cannot_be_made_is_one_line(folder, capsys, output):
    Path("file").touch()
    assert separate(song("song.wav"), "-o", output) in (1, 2)
    errors = capsys.readouterr().err
    assert "internal error" not in errors
    assert "Traceback" not in errors


def test_a_cut_file_is_separated_with_a_warning(folder, capsys):
    cut = Path(song("cut.wav", noise(seconds=4)))
    cut.write_bytes(cut.read_bytes()[: 44 + 4 * 8000])
    assert separate("cut.wav") == 0
    assert "3.00 s of it are missing" in capsys.readouterr().err
    assert soundfile.info("separated/cut/bass.wav").duration == 1


def test_plain_lines_of_progress_where_there_is_no_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr("stemsep.cli.progress.LINE_SECONDS", 0.0)
    assert separate(song("song.wav", noise(seconds=40))) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " left" in line]
    assert lines
    assert all("%" in line and "x real time" in line for line in lines)


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stemsep", "separate", *arguments]
    return subprocess.Popen(
        [*command, "--model", "tiny.safetensors"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


def wait_for_work(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not list(Path("separated").rglob("*.part")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_leaves_no_half_file_and_the_next_completes_it(folder, sent):
    song("long.wav", noise(seconds=600))
    process = start("long.wav")
    wait_for_work(process)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
    assert not list(Path("separated").rglob("*.wav"))
    if sent == signal.SIGINT:
        assert not Path("separated").exists()
        assert b"Traceback" not in errors

    assert separate("long.wav", "--skip-existing") == 0
    assert written() == sorted(f"long/{stem}.wav" for stem in STEMS)
    assert separate("long.wav", "-o", "again") == 0
    for name in written():
        assert Path("separated", name).read_bytes() == Path("again", name).read_bytes()
