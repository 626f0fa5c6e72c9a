from pathlib import Path

import pytest

from stemsep.data import shipped
from stemsep.data.shipped import shipped_folder

KINDS = ("checkpoints", "data", "recipes")


@pytest.mark.parametrize("kind", KINDS)
def test_this_package_has_its_files(kind):
    assert any(shipped_folder(kind).iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_an_installed_package_looks_inside_itself_and_a_checkout_beside(
    tmp_path, monkeypatch, kind
):
    package = tmp_path / "stemsep"
    (package / "data").mkdir(parents=True)
    monkeypatch.setattr(shipped, "__file__", str(package / "data" / "shipped.py"))
    assert shipped_folder(kind) == Path(tmp_path, kind)
    (package / "_shipped").mkdir()
    assert shipped_folder(kind) == package / "_shipped" / kind
