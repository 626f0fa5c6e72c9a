import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from stemsep.audio.atomic import lock_file
from stemsep.errors import DownloadError, ParameterError
from stemsep.weights import download as module
from stemsep.weights.download import download
from tests.servers import chunked, cut, promise, redirect, send, serving, stall, status

BODY = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER = bytes(reversed(BODY))


@pytest.fixture
def server():
    with serving({"/a/model.bin": BODY}) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(module, "RETRIES", module.RETRIES.new(backoff_factor=0))


@pytest.fixture
def fetch(server, tmp_path):
    def call(**options):
        options = {"sha256": DIGEST, **options}
        return download(f"{server.url}/a/model.bin", tmp_path / "new" / "model.bin", **options)

    return call


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "new").iterdir())


def fails(fetch, match, **options):
    with pytest.raises(DownloadError, match=match) as caught:
        fetch(**options)
    assert "\n" not in str(caught.value)


def test_a_file_arrives_whole_and_alone(fetch, tmp_path):
    steps = []
    path = fetch(progress=lambda here, total: steps.append((here, total)))
    assert path.read_bytes() == BODY
    assert left(tmp_path) == ["model.bin"]
    assert steps == sorted(steps)
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))


def test_a_file_that_is_there_is_not_fetched_again(fetch, server):
    fetch()
    fetch()
    assert fetch(offline=True).read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_file_that_is_there_and_wrong_is_named_and_left_alone(fetch, server):
    fetch().write_bytes(OTHER)
    fails(fetch, "model.bin' is not what .* should be: remove it")
    assert fetch(sha256=None).read_bytes() == OTHER


def test_offline_says_what_to_fetch_and_where_to_put_it(fetch, server, tmp_path):
    fails(fetch, rf"offline.*fetch {server.url}/a/model.bin and put it there", offline=True)
    assert server.requests == []
    assert not (tmp_path / "new").exists()


def test_a_cut_connection_is_taken_up_where_it_broke(fetch, server):
    server.faults = [cut(1000), cut(200_000)]
    assert fetch().read_bytes() == BODY
    assert server.asked("Range") == ["", "bytes=1000-", "bytes=201000-"]


def test_a_server_that_always_cuts_is_given_up_and_the_next_run_goes_on(fetch, server, tmp_path):
    server.faults = [cut(10)] * 6
    fails(fetch, "cannot fetch all of.*60 bytes are kept, the same command goes on")
    assert left(tmp_path) == ["model.bin.part", "model.bin.part.json"]
    assert fetch().read_bytes() == BODY
    assert server.asked("Range")[-1] == "bytes=60-"
    assert left(tmp_path) == ["model.bin"]


def test_a_file_of_unknown_length_arrives_too(fetch, server):
    server.faults = [chunked(len(BODY))]
    assert fetch(sha256=None).read_bytes() == BODY


def test_a_file_of_unknown_length_that_is_cut_is_noticed(fetch, server):
    server.faults = [chunked(100_000)]
    assert fetch(sha256=None).read_bytes() == BODY
    assert server.asked("Range") == ["", "bytes=100000-"]


def test_a_connection_that_moves_on_is_never_given_up(fetch, server):
    server.faults = [cut(module.BLOCK_BYTES)] * 7
    assert fetch().read_bytes() == BODY


def test_a_stalled_server_is_asked_again(fetch, server):
    server.faults = [stall(300_000)]
    assert fetch(stall_seconds=0.2).read_bytes() == BODY
    assert server.asked("Range") == ["", "bytes=300000-"]


def test_a_server_that_says_nothing_is_given_up(fetch, server, tmp_path):
    server.faults = [stall(0)] * 20
    fails(fetch, "cannot fetch all.*timed out", stall_seconds=0.05)


def test_a_server_without_ranges_starts_again(fetch, server):
    server.ranges = False
    server.faults = [cut(1000)]
    assert fetch().read_bytes() == BODY


def test_redirects_are_followed(fetch, server):
    server.files["/b"] = BODY
    server.faults = [redirect("/b")]
    assert fetch().read_bytes() == BODY


@pytest.mark.parametrize("to", ["/a/model.bin", "file:///etc/passwd", "http://["])
def test_redirects_that_lead_nowhere_are_refused(fetch, server, tmp_path, to):
    server.faults = [redirect(to)] * 30
    fails(fetch, "cannot fetch")
    assert left(tmp_path) == []


def test_a_redirect_to_an_address_without_encryption_is_refused():
    safe = "https://a.example/model"
    with pytest.raises(DownloadError, match="without encryption"):
        module._redirected(safe, safe, "http://b.example/model")
    assert module._redirected(safe, safe, "/b") == "https://a.example/b"


def test_promising_too_much_is_an_error(fetch, server, tmp_path):
    server.ranges = False
    server.faults = [promise(len(BODY) + 5)] * 30
    fails(fetch, "cannot fetch all of")
    assert not (tmp_path / "new" / "model.bin").exists()


def test_promising_too_little_is_an_error(fetch, server, tmp_path):
    server.faults = [promise(1000)]
    fails(fetch, "not the file that was expected")
    assert left(tmp_path) == []


def test_promising_more_than_the_disk_holds_is_an_error(fetch, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1000, 1000))
    fails(fetch, "0 MB free and 1 MB are to come: make room")


@pytest.mark.parametrize("body", [OTHER, b"", b"<html>log in first</html>", BODY + b"!"])
def test_wrong_bytes_never_get_the_name(fetch, server, tmp_path, body):
    server.faults = [send(body)]
    fails(fetch, "not the file that was expected")
    assert left(tmp_path) == []
    assert fetch().read_bytes() == BODY


def test_an_old_part_of_another_file_costs_one_more_try(fetch, server, tmp_path):
    server.faults = [cut(10)] * 6
    fails(fetch, "kept")
    (tmp_path / "new" / "model.bin.part").write_bytes(OTHER[:60])
    assert fetch().read_bytes() == BODY


def test_without_a_digest_only_the_same_version_is_resumed(fetch, server, tmp_path):
    server.tags["/a/model.bin"] = '"one"'
    server.faults = [cut(10)] * 6
    fails(fetch, "kept", sha256=None)
    server.files["/a/model.bin"], server.tags["/a/model.bin"] = OTHER, '"two"'
    assert fetch(sha256=None).read_bytes() == OTHER
    assert server.asked("If-Range")[-1] == '"one"'


def test_without_a_digest_and_a_version_nothing_is_resumed(fetch, server):
    server.faults = [cut(10)] * 6
    fails(fetch, "kept", sha256=None)
    server.files["/a/model.bin"] = OTHER
    assert fetch(sha256=None).read_bytes() == OTHER


def test_a_part_that_was_whole_already_only_gets_its_name(fetch, server, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "model.bin.part").write_bytes(BODY)
    note = {"url": f"{server.url}/a/model.bin", "validator": ""}
    (tmp_path / "new" / "model.bin.part.json").write_text(json.dumps(note))
    assert fetch().read_bytes() == BODY
    assert server.asked("Range") == [f"bytes={len(BODY)}-"]


@pytest.mark.parametrize("code", [403, 404, 410, 500, 503])
def test_a_refusal_names_the_address_and_the_status(fetch, server, tmp_path, code):
    server.faults = [status(code)] * 10
    fails(fetch, f"cannot fetch {server.url}/a/model.bin: .*{code}")
    assert left(tmp_path) == []


def test_a_server_that_is_busy_for_a_moment_is_asked_again(fetch, server):
    server.faults = [status(503), status(429)]
    assert fetch().read_bytes() == BODY


def test_no_server_is_one_line(fetch, server):
    server.url = "http://127.0.0.1:9"
    fails(fetch, r"cannot fetch http://127.0.0.1:9/a/model.bin: .*refused")


@pytest.mark.parametrize("url", ["ftp://a.example/b", "/etc/passwd", "http://", "http://[", ""])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(ParameterError, match="no address"):
        download(url, tmp_path / "a")


def test_the_first_digits_of_a_digest_will_do_but_not_fewer_than_eight(fetch):
    fails(fetch, "not the file that was expected", sha256="0" * 8)
    assert fetch(sha256=DIGEST[:8].upper()).read_bytes() == BODY
    fails(fetch, "should be: remove it", sha256="0" * 8)
    for digest in ("", DIGEST[:7], DIGEST + "0", "x" * 64):
        with pytest.raises(ParameterError, match="give 8 to 64 hex digits"):
            fetch(sha256=digest)


def test_two_processes_do_not_write_to_one_file(fetch, tmp_path):
    (tmp_path / "new").mkdir()
    with (tmp_path / "new" / "model.bin.part").open("wb") as held:
        lock_file(held.fileno())
        fails(fetch, "another process is downloading")
    assert fetch().read_bytes() == BODY


def test_a_full_disk_is_one_line_and_leaves_no_file(fetch, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    fails(fetch, "cannot write.*No space left")
    assert not (tmp_path / "new" / "model.bin").exists()


def test_the_environment_s_proxy_is_used_except_on_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://").replace("//", "//u:p@"))
    monkeypatch.setenv("no_proxy", "inside.example")
    with module._connections("http://outside.example/a", 1.0) as http:
        http.request("GET", "http://outside.example/a")
    assert server.requests[-1][0] == "http://outside.example/a"
    for url in ("http://inside.example/a", f"{server.url}/a"):
        with module._connections(url, 1.0) as http:
            assert http.proxy is None


def test_a_proxy_with_a_password_is_told_it(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//user:secret@"))
    with module._connections("http://outside.example/a", 1.0) as http:
        http.request("GET", "http://outside.example/a")
    assert server.asked("proxy-authorization") == ["Basic dXNlcjpzZWNyZXQ="]


def test_a_proxy_of_an_unknown_kind_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", "gopher://proxy.example:1")
    with pytest.raises(DownloadError, match="cannot use the proxy 'gopher:"):
        download("http://outside.example/a", tmp_path / "a")


def test_a_killed_download_is_resumed(server, tmp_path):
    server.faults = [stall(100_000)]
    path = tmp_path / "new" / "model.bin"
    script = (
        "import sys; from pathlib import Path; from stemsep.weights.download import download\n"
        "def tell(here, total): print(here, flush=True)\n"
        f"download('{server.url}/a/model.bin', Path(sys.argv[1]), sha256='{DIGEST}', progress=tell)"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as child:
        while int(child.stdout.readline() or 1 << 60) < 65_536:
            pass
        child.kill()
    assert not path.exists()
    download(f"{server.url}/a/model.bin", path, sha256=DIGEST)
    assert path.read_bytes() == BODY
    assert int(server.asked("Range")[-1][6:-1]) >= 65_536
