import hashlib
import json

import pytest
import soundfile

from stemsep.cli.main import main
from stemsep.weights import download
from tests.servers import serving
from tests.signals import noise
from tests.weights.archives import small_widths, spleeter_archive


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def song(tmp_path):
    soundfile.write(tmp_path / "song.wav", noise(2, 9000).T, 44100)
    return str(tmp_path / "song.wav")


@pytest.fixture
def archive(tmp_path, monkeypatch):
    small_widths(monkeypatch)
    (tmp_path / "4stems.tar.gz").write_bytes(spleeter_archive(tmp_path / "made", "4stems"))
    return tmp_path / "4stems.tar.gz"


@pytest.fixture
def mirror(archive, monkeypatch):
    body = archive.read_bytes()
    listing = json.dumps({"4stems": hashlib.sha256(body).hexdigest()}).encode()
    with serving({"/4stems.tar.gz": body, "/checksum.json": listing}) as server:
        monkeypatch.setenv("STEMSEP_MIRROR", server.url)
        monkeypatch.setattr(download, "RETRIES", download.RETRIES.new(backoff_factor=0))
        yield server


def test_the_default_is_listed(capsys):
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.startswith("default: vocals, drums, bass, other; ")


def test_info_shows_cost_terms_and_scores(capsys):
    assert main(["models", "info"]) == 0
    text = capsys.readouterr().out
    for wanted in ("gmac per second: ", "license: ", "training data: ", "museval SDR", "sha256: "):
        assert wanted in text


def test_the_shipped_default_keeps_its_budget(capsys):
    assert main(["models", "info", "default", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["gmac_per_second"] <= 1.5
    assert info["megabytes"] <= 20
    assert "MUSDB18" in info["training_data"]
    assert "non-commercial" in info["license"]


def test_a_model_that_is_none_is_one_line(capsys):
    assert main(["models", "info", "nothing"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_separate_fetches_a_published_network_and_then_works_offline(
    mirror, song, tmp_path, capsys
):
    command = ["separate", song, "--model", "spleeter:4stems", "-o"]
    assert main([*command, str(tmp_path / "one")]) == 0
    said = capsys.readouterr().err
    assert "spleeter:4stems: 146 MB from 127.0.0.1" in said
    assert "terms: MIT" in said
    asked = len(mirror.requests)
    assert main([*command, str(tmp_path / "two"), "--offline"]) == 0
    assert len(mirror.requests) == asked
    names = ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]
    for name in names:
        one, two = (tmp_path / run / "song" / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_separate_without_the_network_and_the_store_is_one_line(archive, song, tmp_path, capsys):
    arguments = ["separate", song, "--model", "spleeter", "--stems", "5", "--offline"]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "https://github.com/deezer/spleeter/releases/download/v1.4.0/5stems.tar.gz" in said
    assert "stemsep models import 5stems.tar.gz" in said
    assert not (tmp_path / "out").exists()


def test_import_list_path_and_remove(archive, capsys):
    assert main(["models", "import", str(archive)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("spleeter:4stems: '")) == ("", True)
    assert "terms: not stated" in said.err  # not the published weights
    assert main(["models", "import", str(archive)]) == 1
    assert "use --overwrite" in capsys.readouterr().err
    assert main(["models", "list", "--json"]) == 0
    listed = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert main(["models", "path", "spleeter:4stems"]) == 0
    assert capsys.readouterr().out == listed["spleeter:4stems"]["file"] + "\n"
    assert main(["models", "remove", "spleeter:4stems"]) == 0
    assert main(["models", "path", "spleeter:4stems"]) == 1
    assert "stemsep models download spleeter:4stems" in capsys.readouterr().err


def test_import_into_a_file(archive, song, tmp_path):
    out = str(tmp_path / "new" / "out.safetensors")
    assert main(["models", "import", str(archive), "-o", out]) == 0
    assert main(["separate", song, "--model", out, "--exact", "-o", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "cache" / "models").exists()


def test_a_list_says_what_is_not_here_and_under_what_terms(capsys):
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    line = next(line for line in lines if line.startswith("spleeter:5stems: "))
    assert "not here, about 183 MB to fetch" in line
    assert line.endswith(
        "; MIT (Deezer SA.; that of the program, the release names none for the networks)"
    )


def test_quiet_downloads_say_nothing_but_warnings(mirror, capsys):
    assert main(["models", "download", "spleeter:4stems", "--quiet"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("Warning: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["download"],
        ["download", "spleeter", "--sha256", "00"],
        ["download", "https://a.example/a", "https://a.example/b", "--name", "a"],
        ["import", "a.tar.gz", "-o", "a.pth"],
        ["import", "a.tar.gz", "-o", "a.safetensors", "--name", "a"],
        ["remove"],
    ],
)
def test_wrong_usage(arguments, capsys):
    assert main(["models", *arguments]) == 2
    assert "Usage: stemsep models" in capsys.readouterr().err
