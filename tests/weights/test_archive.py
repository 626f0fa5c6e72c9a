import gzip
import shutil
import tarfile
import zlib

import pytest

from stemsep.errors import WeightsError
from stemsep.weights import archive
from stemsep.weights.archive import extract, is_archive
from tests.weights.archives import member, tar_gz


@pytest.fixture
def unpack(tmp_path):
    def call(content, wanted=lambda name: name.startswith("model")):
        (tmp_path / "a.tar.gz").write_bytes(content)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        return extract(tmp_path / "a.tar.gz", tmp_path / "out", wanted=wanted)

    return call


def refused(unpack, content, match):
    with pytest.raises(WeightsError, match=match) as caught:
        unpack(content)
    assert "\n" not in str(caught.value)


GOOD = [member("./model.index", b"index"), member("notes", b"x"), member("sub/model.data", b"d")]


def test_only_wanted_files_are_unpacked_into_one_folder(unpack, tmp_path):
    found = unpack(tar_gz([member("sub", type=tarfile.DIRTYPE), *GOOD]))
    assert found == [tmp_path / "out" / "model.index", tmp_path / "out" / "model.data"]
    assert [path.read_bytes() for path in found] == [b"index", b"d"]
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_uncompressed_archive_is_unpacked_too(unpack, tmp_path):
    assert len(unpack(gzip.decompress(tar_gz(GOOD)))) == 2


@pytest.mark.parametrize("name", ["/etc/model", "../model", "a/../../model"])
def test_paths_that_lead_outside_are_refused(unpack, tmp_path, name):
    refused(unpack, tar_gz([member(name, b"x")]), "leads outside")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(unpack, kind):
    refused(unpack, tar_gz([member("model.index", type=kind, linkname="/etc/passwd")]), "a link or")


def test_a_bomb_is_stopped(unpack, monkeypatch, tmp_path):
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    bomb = tar_gz([member("model.index", bytes(1 << 24))])
    assert len(bomb) < 1 << 17
    refused(unpack, bomb, "unpacks to more than 1 MiB")
    refused(unpack, tar_gz([member("other", bytes(1 << 24))]), "unpacks to more than 1 MiB")
    unpacked = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert unpacked <= 1 << 20


def test_two_members_of_one_name_are_refused(unpack):
    refused(unpack, tar_gz([member("a/model", b"1"), member("b/model", b"2")]), "cannot unpack")


def test_every_cut_is_noticed(unpack):
    good = tar_gz(GOOD)
    for size in range(len(good)):
        refused(unpack, good[:size], "a.tar.gz'")


def test_every_flipped_byte_is_noticed_unless_it_changes_nothing(unpack):
    good = tar_gz(GOOD)
    harmless = 0
    for place in range(10, len(good)):  # after gzip's own header
        changed = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        try:  # another way to say the same, such as zeros copied from zeros elsewhere
            harmless += gzip.decompress(changed) == gzip.decompress(good)
        except (OSError, EOFError, zlib.error):
            refused(unpack, changed, "a.tar.gz'")
    assert harmless < len(good) / 4


def test_noise_and_nothing_are_refused(unpack, tmp_path):
    for content in (b"", b"noise" * 1000, b"\x1f\x8b" + b"noise" * 100):
        refused(unpack, content, "a.tar.gz'")


def test_archives_are_told_by_how_they_begin(tmp_path):
    for content, expected in (
        (tar_gz(GOOD), True),
        (gzip.decompress(tar_gz(GOOD)), True),
        (b"", False),
        (b"PK\3\4", False),
    ):
        (tmp_path / "a").write_bytes(content)
        assert is_archive(tmp_path / "a") is expected
