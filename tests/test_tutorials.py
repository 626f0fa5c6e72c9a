"""Every command and every block of code in the tutorials runs, in the order of the page."""

import re
import shlex
from pathlib import Path

import pytest

from stemsep.cli.main import main

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- minutes -->\n+)?```(sh|python)\n(.*?)```", re.DOTALL)


def run_page(name: str, *, minutes: bool) -> dict[str, object]:
    """Run the blocks of a page and return the variables of its code.

    Args:
        name: of the page.
        minutes: the blocks that take minutes, which the page marks; else all others.
    """
    variables: dict[str, object] = {"__name__": name}
    for marked, language, text in BLOCK.findall((ROOT / "docs" / name).read_text()):
        if bool(marked) != minutes:
            continue
        if language == "python":
            exec(compile(text, name, "exec"), variables)  # noqa: S102 - it is our own page
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "stemsep", line
            assert main(words[1:]) == 0, line
    return variables


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that looks like a checkout, but takes what the tutorials write."""
    for name in ("data", "docs", "hubconf.py", "stemsep"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_on_pictures(checkout, capsys):
    variables = run_page("images.md", minutes=False)
    assert variables["loss"].item() < 0.7  # type: ignore[attr-defined]
    told = capsys.readouterr()
    assert float(re.findall(r"Dice of the cars ([\d.]+)", told.out)[0]) > 0.75
    assert "learned by heart" in told.err


def test_the_tutorial_on_sound(checkout, capsys):
    run_page("audio.md", minutes=False)
    told = capsys.readouterr().out
    assert float(re.findall(r"largest error ([\de.+-]+)", told)[0]) < 1e-5
    assert re.findall(r"add up to ([\d.]+)", told) == ["1.000"]
    levels = [float(value) for value in re.findall(r"(-?[\d.]+) dB -> (-?[\d.]+) dB", told)[0]]
    levels += [float(v) for v in re.findall(r"noise: (-?[\d.]+) -> (-?[\d.]+)", told)[0]]
    assert levels[1] > levels[0] + 3
    assert levels[3] > levels[2] + 3
    assert (checkout / "runs" / "stems.png").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_takes_minutes_in_the_tutorial_on_pictures(checkout):
    run_page("images.md", minutes=True)
    assert (checkout / "runs" / "five" / "preview.png").exists()
    assert (checkout / "runs" / "images" / "preview.png").exists()
