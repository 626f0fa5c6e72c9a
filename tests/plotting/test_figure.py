import pytest

from stemsep import errors
from stemsep.errors import MissingExtraError
from stemsep.plotting.figure import new_figure, save_figure

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_figure_becomes_a_png_without_a_screen(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    figure = new_figure(width=4, height=3)
    figure.subplots().plot([0, 1])
    save_figure(figure, tmp_path / "ä.png")
    assert (tmp_path / "ä.png").read_bytes().startswith(PNG)
    assert len(list(tmp_path.iterdir())) == 1


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(f"No module named '{name}'", name=name.partition(".")[0])

    monkeypatch.setattr(errors, "import_module", fail)
    with pytest.raises(MissingExtraError, match=r"pip install 'stemsep\[plot\]'"):
        new_figure(width=4, height=3)
