import subprocess
import sys
from pathlib import Path

import pytest

from stemsep.audio.atomic import partial_file, remove_leftovers

HOLDER = """
import sys
from pathlib import Path
from stemsep.audio.atomic import partial_file
with partial_file(Path(sys.argv[1])) as path:
    path.write_text("half")
    print(path.name, flush=True)
    sys.stdin.read()
"""


def writer_process(final: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a temporary file open; return it and the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(final)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, final.parent / process.stdout.readline().strip()


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_file_appears_only_when_the_block_succeeds(tmp_path):
    final = tmp_path / "song.wav"
    with partial_file(final) as path:
        path.write_bytes(b"sound")
        assert not final.exists()
        assert path.parent == tmp_path
    assert final.read_bytes() == b"sound"
    assert names(tmp_path) == ["song.wav"]


def test_an_old_file_is_replaced_as_a_whole(tmp_path):
    final = tmp_path / "song.wav"
    final.write_bytes(b"old")
    with partial_file(final) as path:
        path.write_bytes(b"new")
        assert final.read_bytes() == b"old"
    assert final.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_keeps_the_old_file(tmp_path, error):
    final = tmp_path / "song.wav"
    final.write_bytes(b"old")

    def fail_half_way() -> None:
        with partial_file(final) as path:
            path.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail_half_way()
    assert final.read_bytes() == b"old"
    assert names(tmp_path) == ["song.wav"]


@pytest.mark.parametrize("name", ["song.wav", "song.part", "x" * 251 + ".wav", "-🎵.flac"])
def test_the_temporary_name_is_short_and_ends_unlike_the_final_one(tmp_path, name):
    with partial_file(tmp_path / name) as path:
        assert path.exists()
        assert path.suffix == ".part"
        assert path.name.startswith(".")
        assert len(path.name) < 40
    assert names(tmp_path) == [name]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), partial_file(tmp_path / "none" / "song.wav"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="kill leaves no file to Windows")
def test_leftovers_of_a_killed_writer_are_removed_and_those_of_a_live_one_are_not(tmp_path):
    process, temporary = writer_process(tmp_path / "song.wav")
    with process:
        remove_leftovers(tmp_path)
        assert temporary.exists()
        process.kill()
        process.wait()
        assert temporary.exists()
        remove_leftovers(tmp_path)
        assert not temporary.exists()


def test_other_files_are_no_leftovers(tmp_path):
    (tmp_path / "song.part").write_bytes(b"mine")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "none")
    assert names(tmp_path) == ["song.part"]
