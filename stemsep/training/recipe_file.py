"""Recipes as files: found, changed by ``--set``, read, and written back with all defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from stemsep.audio.atomic import partial_file
from stemsep.data.shipped import shipped_folder
from stemsep.errors import RecipeError, StemsepError
from stemsep.training.distributed import this_rank
from stemsep.training.tables import with_setting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["find_recipe", "keep_recipe", "named", "read_table", "recipe_text"]


def find_recipe(name: Path) -> Path:
    """Return the file of that path, else the shipped recipe of that name.

    Raises:
        RecipeError: neither is there; the message lists the shipped ones.
    """
    shipped = {path.stem: path for path in sorted(shipped_folder("recipes").glob("*.toml"))}
    if name.exists():
        return name
    plain = name.suffix in ("", ".toml") and name.parent in (Path(), Path("recipes"))
    if plain and name.stem in shipped:
        return shipped[name.stem]
    raise RecipeError(
        f"no recipe '{name}': give a TOML file, or one that came along: {', '.join(shipped)}"
    )


def read_table(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a TOML file says.

    Args:
        path: of the file.
        settings: texts ``a.b=c`` that replace or add a value; see `with_setting`.

    Raises:
        RecipeError: no such file, no TOML, or a setting that cannot be.
    """
    try:
        with path.open("rb") as file:
            given = tomllib.load(file)
    except OSError as error:
        raise RecipeError(f"cannot read the recipe '{path}': {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"'{path}' is not TOML: {error}") from error
    with named(path):
        for setting in settings:
            with_setting(given, setting)
    return given


@contextmanager
def named(path: Path, settings: Sequence[str] = ()) -> Iterator[None]:
    """Put the file's name, and what was set besides, before the message of an error in a block."""
    try:
        yield
    except StemsepError as error:
        besides = f" with --set {' --set '.join(settings)}" if settings else ""
        raise type(error)(f"'{path}'{besides}: {error}") from error


def recipe_text(recipe: DataclassInstance) -> str:
    """Return a recipe as TOML, with every default written out."""
    return tomli_w.dumps(_tables(asdict(recipe)))


def keep_recipe(recipe: DataclassInstance, folder: Path) -> None:
    """Write a recipe as ``recipe.toml`` into the folder of its run."""
    if not this_rank().first:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with partial_file(folder / "recipe.toml") as temporary:
        temporary.write_text(recipe_text(recipe), encoding="utf-8")


def _tables(value: Any) -> Any:
    """Return what TOML can hold, without what the program itself writes into a card."""
    if isinstance(value, Mapping):
        told = {key: _tables(item) for key, item in value.items() if item is not None}
        return {key: item for key, item in told.items() if not (key == "recipe" and item)}
    if isinstance(value, list | tuple):
        return [_tables(item) for item in value]
    return value
