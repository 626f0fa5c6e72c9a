import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from stemsep.data.shipped import shipped_folder
from stemsep.errors import DatasetError, RecipeError
from stemsep.training.recipe import read_recipe
from stemsep.training.recipe_file import find_recipe, keep_recipe, named, read_table, recipe_text
from tests.networks import recipes_of_sound

TABLE = "a = 1\n[b]\nc = 2\n[[d]]\ne = 3\n[[d]]\ne = 4\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ä.toml"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("setting", "where", "value"),
    [
        ("a=5", ["a"], 5),
        ("b.c=0.5", ["b", "c"], 0.5),
        ("b.new=true", ["b", "new"], True),
        ("new.deep.key=1e-4", ["new", "deep", "key"], 1e-4),
        ("d[1].e=7", ["d", 1, "e"], 7),
        ("b.c=[1, 2]", ["b", "c"], [1, 2]),
        ("b.c=bf16", ["b", "c"], "bf16"),
        ('b.c="12"', ["b", "c"], "12"),
        ("b.c=a=b", ["b", "c"], "a=b"),
        ("b.c=songs/of mine", ["b", "c"], "songs/of mine"),
    ],
)
def test_a_setting_replaces_or_adds_one_value(file, setting, where, value):
    table = read_table(file, [setting])
    for key in where:
        table = table[key]
    assert table == value
    assert type(table) is type(value)


def test_later_settings_count_and_the_file_stays(file):
    assert read_table(file, ["a=5", "a=6"])["a"] == 6
    assert file.read_text() == TABLE


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("a", "'a': give a key and its value, such as train.steps=500"),
        ("=5", "'=5': give a key and its value"),
        ("a.b=5", "'a.b': 'a' is no table"),
        ("a.b.c=5", "no 'b' in 'a', which is no table"),
        ("d[2].e=5", "no '2' in 'd', which has 2 entries, from 0 on"),
        ("d.e=5", "no 'e' in 'd', which has 2 entries"),
    ],
)
def test_a_setting_that_cannot_be_names_file_and_key(file, setting, message):
    with pytest.raises(RecipeError) as caught:
        read_table(file, [setting])
    assert str(caught.value).startswith(f"'{file}': ")
    assert message in str(caught.value)


def test_an_error_tells_the_file_and_what_was_set(file):
    with (
        pytest.raises(DatasetError, match=r"^'.*ä\.toml' with --set a=1 --set b\.c=x: no songs$"),
        named(file, ["a=1", "b.c=x"]),
    ):
        raise DatasetError("no songs")


@pytest.mark.parametrize("name", ["default", "default.toml", "recipes/default.toml"])
def test_a_shipped_recipe_is_found_by_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path(name)) == shipped_folder("recipes") / "default.toml"


def test_a_file_that_is_there_comes_before_a_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("default.toml").write_text(TABLE)
    assert find_recipe(Path("default.toml")) == Path("default.toml")


@pytest.mark.parametrize("name", ["defualt", "elsewhere/default.toml", "default.txt"])
def test_a_recipe_that_is_not_there_lists_the_shipped_ones(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=f"no recipe '{name}': .*default"):
        find_recipe(Path(name))


@pytest.mark.parametrize("path", recipes_of_sound(), ids=lambda path: path.stem)
def test_the_recipe_of_a_run_is_read_as_the_one_it_was_run_by(path, tmp_path):
    recipe = read_recipe(path, ["train.seed=7", "card.description=mine"])
    keep_recipe(recipe, tmp_path / "run")
    again = read_recipe(tmp_path / "run" / "recipe.toml")
    # JSON: a list from the file is a tuple where it is a default.
    assert json.dumps(asdict(again)) == json.dumps(asdict(recipe))
    assert again.card.recipe_hash == recipe.card.recipe_hash
    assert again.train.seed == 7


def test_a_recipe_is_written_with_its_defaults_and_without_what_is_none():
    @dataclass(frozen=True)
    class Inner:
        b: tuple[int, ...] = (1, 2)

    @dataclass(frozen=True)
    class Outer:
        a: float = 0.5
        none: str | None = None
        inner: Inner = field(default_factory=Inner)

    assert tomllib.loads(recipe_text(Outer())) == {"a": 0.5, "inner": {"b": [1, 2]}}


def test_other_processes_than_the_first_write_no_recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    keep_recipe(read_recipe(shipped_folder("recipes") / "default.toml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
