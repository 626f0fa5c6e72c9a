import shutil

import pytest
import soundfile

from stemsep.cli.main import main
from stemsep.weights import export
from tests.exported import exported_default
from tests.signals import noise


def quick(checkpoint, output, format):
    output.write_bytes(f"{checkpoint.name} as {format}".encode())


def test_the_default_goes_to_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "export", quick)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--format", "onnx"]) == 0
    assert (tmp_path / "default.onnx").read_bytes() == b"default.safetensors as onnx"
    assert main(["export", "--format", "pt2", "-o", "deep/a.pt2"]) == 0
    assert (tmp_path / "deep" / "a.pt2").is_file()


def test_a_file_that_is_there_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "export", quick)
    path = tmp_path / "a.onnx"
    path.write_bytes(b"mine")
    assert main(["export", "-o", str(path)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert path.read_bytes() == b"mine"
    assert main(["export", "-o", str(path), "--overwrite"]) == 0
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["nothing", "empty.safetensors"])
def test_a_model_that_is_none_is_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.safetensors").write_bytes(b"")
    assert main(["export", "--model", name, "-o", "a.onnx"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "a.onnx").exists()


def test_separate_takes_an_onnx_file(tmp_path):
    shutil.copy(exported_default(), tmp_path / "mine.onnx")
    soundfile.write(tmp_path / "song.wav", noise(2, 44_100).T, 44_100)
    song, model = str(tmp_path / "song.wav"), str(tmp_path / "mine.onnx")
    assert main(["separate", song, "--model", model, "-o", str(tmp_path / "out"), "-q"]) == 0
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 4
