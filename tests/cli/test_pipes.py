"""Pipes, patterns, reports and completion: what only a process shows."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsep.audio import read_audio
from tests.cli.test_separate import ROOT, STEMS, folder, separate, song, written

__all__ = ["folder"]


class OneWay(io.RawIOBase):
    """What a pipe is to its reader: bytes, and no way back."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._content.readinto(buffer)


@pytest.fixture
def run(monkeypatch, capsysbinary):
    """Run `separate` with bytes as its standard input; return status, and both outputs."""

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        reader = io.TextIOWrapper(io.BufferedReader(OneWay(stdin)))
        monkeypatch.setattr("sys.stdin", reader)
        status = separate(*arguments, "--threads", "1")
        out, err = capsysbinary.readouterr()
        return status, out, err.decode()

    return run


def run_process(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "stemsep", "separate", *arguments, "--model", "tiny.safetensors"],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("song.wav", {"subtype": "PCM_16"}),
        ("song.flac", {"subtype": "PCM_24"}),
        ("song.ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("song.mp3", {"format": "MP3"}),
    ],
)
def test_a_pipe_gives_the_samples_of_the_file(folder, run, name, options):
    song(name, **options)
    assert separate(name, "-o", "files", "--threads", "1") == 0
    status, _, errors = run("-", "-o", "pipe", stdin=Path(name).read_bytes())
    assert status == 0, errors
    assert written("pipe") == sorted(f"stdin/{stem}.wav" for stem in STEMS)
    for stem in STEMS:
        expected = soundfile.read(f"files/song/{stem}.wav", dtype="int32")[0]
        assert np.array_equal(soundfile.read(f"pipe/stdin/{stem}.wav", dtype="int32")[0], expected)
    status, out, errors = run("-", "-o", "-", "--stems", "bass", stdin=Path(name).read_bytes())
    assert status == 0, errors
    check_open_wav(out, Path("files/song/bass.wav"))


def check_open_wav(out: bytes, expected: Path) -> None:
    """Assert that bytes are a WAV of open size with the samples of a file."""
    header = out.index(b"data")
    assert out[header + 4 : header + 8] == b"\xff\xff\xff\xff"
    samples = out[header + 8 :]
    assert expected.read_bytes().endswith(samples)
    info = soundfile.info(expected)
    assert len(samples) == info.frames * 2 * int(info.subtype[-2:]) // 8


def test_a_process_reads_and_writes_pipes(folder):
    song("song.wav")
    assert separate("song.wav", "-o", "files", "--threads", "1") == 0
    arguments = ("-", "-o", "-", "--stems", "bass", "--threads", "1")
    done = run_process(*arguments, stdin=Path("song.wav").read_bytes())
    assert done.returncode == 0, done.stderr
    check_open_wav(done.stdout, Path("files/song/bass.wav"))


def test_flac_goes_to_the_standard_output_too(folder, run):
    song("song.wav")
    assert separate("song.wav", "-o", "files", "--threads", "1") == 0
    status, out, errors = run("song.wav", "-o", "-", "--stems", "drums", "--format", "flac")
    assert status == 0, errors
    Path("out.flac").write_bytes(out)
    decoded, expected = (read_audio(Path(p))[0] for p in ("out.flac", "files/song/drums.wav"))
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["song.wav", "-o", "-"], "4 stems cannot go to the standard output"),
        (["song.wav", "b.wav", "-o", "-", "--stems", "bass"], "2 inputs cannot go"),
        (["song.wav", "-o", "-", "--stems", "bass", "--format", "mp3"], "the format mp3 cannot"),
        (["song.wav", "-o", "-", "--stems", "bass", "--json"], "would both write to"),
        (["song.wav", "--format", "wav", "--bitrate", "192k"], "wav is lossless"),
        (["song.wav", "--format", "mp3", "--bit-depth", "16"], "mp3 has no bit depth"),
        (["song.wav", "--start", "soon"], "'soon' is no time"),
        (["song.wav", "--preview", "--start", "1"], "leave start and duration out"),
        (["song.wav", "--duration", "0"], "it must be above 0"),
    ],
)
def test_what_cannot_be_is_wrong_usage(folder, capsys, arguments, message):
    song("song.wav")
    song("b.wav")
    assert separate(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("separated").exists()


@pytest.mark.parametrize("junk", [b"", b"x", b"these are words\n" * 500, b"OggS" + bytes(500)])
def test_no_sound_in_a_pipe_is_one_line(folder, run, junk):
    status, out, errors = run("-", stdin=junk)
    assert (status, out) == (1, b"")
    assert errors.count("\n") == 1
    assert "cannot read 'stdin'" in errors or "stdin'" in errors
    assert not Path("separated").exists()


def test_a_reader_that_goes_away_is_one_line(folder):
    song("song.wav", np.zeros((80_000, 2)))
    command = [sys.executable, "-m", "stemsep", "separate", "song.wav", "-o", "-", "--stems"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "bass", "--model", "tiny.safetensors"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode == 1
    assert "cannot write 'standard output': Broken pipe" in errors
    assert "Traceback" not in errors


def test_patterns_are_expanded_where_the_shell_does_not(folder, capsys):
    for name in ("a/one.wav", "a/b/two.wav", "[x].wav"):
        song(name)
    assert separate("a/**/*.wav", "[x].wav", "--stems", "bass", "-q") == 0
    assert written() == ["[x]/bass.wav", "one/bass.wav", "two/bass.wav"]
    assert separate("none*.wav") == 1
    assert "'none*.wav': no such file" in capsys.readouterr().err


def test_a_report_names_every_song(folder, capsys):
    song("good.wav")
    Path("bad.wav").write_text("no sound")
    assert separate("good.wav", "bad.wav", "--report", "r.json", "--json", "-q") == 1
    report = json.loads(capsys.readouterr().out)
    assert json.loads(Path("r.json").read_text("utf-8")) == report
    assert (report["done"], report["failed"], report["skipped"]) == (1, 1, 0)
    good, bad = report["files"]
    assert good["written"]["bass"] == str(Path("separated/good/bass.wav"))
    assert bad["status"] == "failed"
    assert "bad.wav" in bad["error"]
    assert len(report["model"]["sha256"]) == 64
    assert report["model"]["license"]


def test_jobs_give_the_same_files(folder, capsys):
    names = [
        song(f"{n}.wav", np.random.default_rng(int(n)).normal(0, 0.1, (9000, 2))) for n in "123"
    ]
    Path("4.wav").touch()
    assert separate(*names, "4.wav", "-o", "one", "--threads", "1") == 1
    assert separate(*names, "4.wav", "-o", "three", "--threads", "1", "--jobs", "3") == 1
    assert written("one") == written("three")
    assert len(written("one")) == 12
    for name in written("one"):
        assert Path("one", name).read_bytes() == Path("three", name).read_bytes()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell, capsys):
    from stemsep.cli.main import main

    assert main(["completion", shell]) == 0
    assert "_STEMSEP_COMPLETE" in capsys.readouterr().out


def test_a_completion_is_given(folder):
    done = subprocess.run(
        [sys.executable, "-c", "from stemsep.cli.main import run; run()"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_STEMSEP_COMPLETE": "bash_complete",
            "COMP_WORDS": "stemsep separate --form",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,--format" in done.stdout
