import click
import pytest

from stemsep.cli import progress
from stemsep.cli.progress import transfer_progress


@pytest.fixture
def each_step(monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)


def test_a_transfer_tells_bytes_and_percent_where_the_length_is_known(each_step, capsys):
    with transfer_progress("a.bin", show=True) as update:
        update(1_000_000, 4_000_000)
        update(2_000_000, None)
    shown = capsys.readouterr()
    assert shown.err == "a.bin: 1.0 of 4.0 MB (25 %)\na.bin: 2.0 MB\n"
    assert shown.out == ""


def test_a_transfer_is_silent_when_told_so(each_step, capsys):
    with transfer_progress("a.bin", show=False) as update:
        update(1, 2)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_transfer_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "echo", lambda *_, **__: pytest.fail("a plain line"))
    with transfer_progress("[a].bin", show=True) as update:
        update(1_000_000, 4_000_000)
