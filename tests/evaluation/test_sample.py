import io
import zipfile

import pytest

from stemsep.errors import DownloadError
from stemsep.evaluation import sample
from stemsep.evaluation.sample import fetch_sample
from tests.servers import serving

FILES = {"train/A - B.stem.mp4": b"one", "test/C.stem.mp4": b"two", "../evil": b"x", "README": b""}


def packed(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "cache"))
    with serving({"/sample.zip": packed(FILES)}) as running:
        monkeypatch.setattr(sample, "SAMPLE_URL", f"{running.url}/sample.zip")
        yield running


def test_the_sample_is_fetched_once_and_nothing_else_is_unpacked(server, tmp_path):
    folder = fetch_sample()
    assert fetch_sample() == folder
    assert len(server.requests) == 1
    found = {str(p.relative_to(tmp_path / "cache")) for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"musdb18-7/train/A - B.stem.mp4", "musdb18-7/test/C.stem.mp4"}


@pytest.mark.parametrize("content", [b"no zip", packed(FILES)[:60], packed({"README": b""})])
def test_what_is_no_sample_is_told_and_fetched_again(server, tmp_path, content):
    good, server.files["/sample.zip"] = server.files["/sample.zip"], content
    with pytest.raises(DownloadError, match="not MUSDB18's sample"):
        fetch_sample()
    server.files["/sample.zip"] = good
    assert (fetch_sample() / "test" / "C.stem.mp4").read_bytes() == b"two"


def test_the_command_scores_the_sample(server, tmp_path, monkeypatch, capsys):
    from stemsep.cli.main import main

    server.files["/sample.zip"] = packed({"test/C.stem.mp4": b"no stems", "train/A.stem.mp4": b""})
    words = ["evaluate", "--sample", "--baseline", "quarter", "-o", str(tmp_path / "out")]
    assert main(words) == 1
    errors = capsys.readouterr().err
    assert "non-commercial" in errors
    assert "Error: 'C' (baseline quarter)" in errors
    assert main([*words, "--musdb", str(tmp_path)]) == 2
