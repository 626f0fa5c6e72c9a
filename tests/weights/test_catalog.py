import pytest

from stemsep.errors import WeightsError
from stemsep.weights import catalog
from stemsep.weights.catalog import find_checkpoint, shipped_checkpoints


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("fast.safetensors", "default.safetensors", "README.md"):
        (folder / name).touch()
    monkeypatch.setattr(catalog, "shipped_folder", lambda kind: tmp_path / kind)
    monkeypatch.setenv("STEMSEP_CACHE", str(tmp_path / "cache"))
    return folder


def test_shipped_checkpoints_are_listed_by_name_and_nothing_else_is(shipped):
    assert list(shipped_checkpoints()) == ["default", "fast"]


def test_a_shipped_name_is_found(shipped):
    assert find_checkpoint("fast") == shipped / "fast.safetensors"


def test_a_path_is_taken_as_it_is(shipped, tmp_path):
    (tmp_path / "mine.safetensors").touch()
    assert find_checkpoint(tmp_path / "mine.safetensors") == tmp_path / "mine.safetensors"
    assert find_checkpoint(str(tmp_path / "mine.safetensors")) == tmp_path / "mine.safetensors"


@pytest.mark.parametrize("name", ["slow", "."])
def test_an_unknown_name_or_a_folder_lists_the_names(shipped, name):
    with pytest.raises(WeightsError, match=r"no model.*one of: default, fast, spleeter:2stems, "):
        find_checkpoint(name)


def test_without_shipped_checkpoints_the_message_says_what_can_be_had(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "shipped_folder", lambda _: tmp_path / "nowhere")
    assert shipped_checkpoints() == {}
    with pytest.raises(WeightsError, match=r"one of: spleeter:2stems, "):
        find_checkpoint("default")
