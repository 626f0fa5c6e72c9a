"""A TOML table -> a frozen dataclass, checked against its annotations.

Every message names the key, from the top of the file: ``network.unet.channels``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from stemsep.errors import ParameterError, RecipeError

__all__ = ["parse_table", "with_setting"]

Config = TypeVar("Config")


def parse_table(config: type[Config], given: Any, where: str) -> Config:
    """Return the dataclass ``config`` with the values of a TOML table.

    Args:
        config: its fields' annotations say which tables and types are expected.
        given: what stands in the file.
        where: the table's name, empty for the whole file.

    Raises:
        RecipeError: an unknown key (the nearest valid one is named), a missing key, or a value of
            another type or range.
    """
    if not isinstance(given, dict):
        raise RecipeError(f"'{where}' = {given!r}: it must be a table, [{where}]")
    known = {f.name: f for f in fields(config)}  # type: ignore[arg-type]
    for key in sorted(given.keys() - known.keys()):
        near = difflib.get_close_matches(key, known, n=1) or [", ".join(known)]
        raise RecipeError(f"unknown key '{_key(where, key)}'; did you mean {near[0]}?")
    values = {}
    for name, kind in get_type_hints(config).items():
        if name in given or is_dataclass(kind):
            values[name] = _value(kind, given.get(name, {}), _key(where, name))
        elif known[name].default is MISSING and known[name].default_factory is MISSING:
            raise RecipeError(f"missing key '{_key(where, name)}'")
    try:
        return config(**values)
    except ParameterError as error:
        raise RecipeError(f"in '{where}': {error}" if where else str(error)) from error


def with_setting(given: dict[str, Any], setting: str) -> None:
    """Put a value given as text into a table, in place.

    Args:
        given: what stands in a file.
        setting: ``a.b=c`` or ``a[0].b=c``; ``c`` is TOML, or a text that needs no quotes.

    Raises:
        RecipeError: it has no such form, or leads through something that is no table.
    """
    key, equals, text = setting.partition("=")
    names = [name for name in re.split(r"[.\[\]]+", key.strip()) if name]
    if not (names and equals):
        raise RecipeError(f"'{setting}': give a key and its value, such as train.steps=500")
    where: Any = given
    for i, name in enumerate(names[:-1]):
        where = _inside(where, name, ".".join(names[:i]), new={})
    if isinstance(where, list):
        _inside(where, names[-1], ".".join(names[:-1]), new=None)
        where[int(names[-1])] = _parsed(text)
    elif isinstance(where, dict):
        where[names[-1]] = _parsed(text)
    else:
        raise RecipeError(f"'{key}': '{'.'.join(names[:-1])}' is no table")


def _inside(where: Any, name: str, path: str, *, new: Any) -> Any:
    if isinstance(where, dict):
        return where.setdefault(name, new)
    if isinstance(where, list) and name.isdecimal() and int(name) < len(where):
        return where[int(name)]
    what = f"has {len(where)} entries, from 0 on" if isinstance(where, list) else "is no table"
    raise RecipeError(f"no '{name}' in '{path}', which {what}")


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text.strip()


def _value(kind: Any, given: Any, where: str) -> Any:
    if is_dataclass(given):
        return given  # one that the caller has read itself
    if isinstance(kind, type) and is_dataclass(kind):
        return parse_table(kind, given, where)
    part = get_args(kind)[0] if get_origin(kind) is tuple else None
    if isinstance(part, type) and is_dataclass(part):
        if not isinstance(given, list):
            raise RecipeError(f"'{where}' must be a list of tables, [[{where}]]")
        return tuple(parse_table(part, item, f"{where}[{i}]") for i, item in enumerate(given))
    if not _fits(kind, given):
        raise RecipeError(f"'{where}' = {given!r}: it must be {_in_words(kind)}")
    return given


def _fits(kind: Any, given: Any) -> bool:
    """Tell whether a TOML value is what an annotation of a configuration asks for."""
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Any:
        return True
    if origin is Literal:
        return given in inner
    if origin is Mapping:
        return isinstance(given, dict) and all(_fits(inner[1], item) for item in given.values())
    if origin is Sequence or inner[1:] == (Ellipsis,):
        return isinstance(given, list) and all(_fits(inner[0], item) for item in given)
    if origin is tuple:
        return (
            isinstance(given, list) and len(given) == len(inner) and all(map(_fits, inner, given))
        )
    # A bool is an int to Python, and 3 will do for 3.0.
    return type(given) is origin or (origin is float and type(given) is int)


def _in_words(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(inner)}"
    if origin is Mapping:
        return "a table"
    if origin in names:
        return names[origin]
    length = f" of {len(inner)}" if origin is tuple and Ellipsis not in inner else ""
    return f"a list{length}, each item {_in_words(inner[0])}"


def _key(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
