"""The errors that stemsep raises on purpose, one small tree, and the check that all options share.

Each message is one line: what failed, which file or field with its value, and what to do.
The command line prints that line and sets the exit status; a program catches ``StemsepError``.
"""

from dataclasses import fields
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "AudioFileError",
    "DatasetError",
    "DownloadError",
    "MissingExtraError",
    "ParameterError",
    "RecipeError",
    "StemsepError",
    "WeightsError",
    "check_choices",
    "require",
]


class StemsepError(Exception):
    """Root of everything that stemsep raises on purpose."""


class AudioFileError(StemsepError, OSError):
    """A sound file cannot be read or written."""


class DownloadError(StemsepError, OSError):
    """A file cannot be fetched, or what was fetched is not what it should be."""


class MissingExtraError(StemsepError, ImportError):
    """A command needs an optional part of the package that is not installed."""


class ParameterError(StemsepError, ValueError):
    """An argument has a value, shape or combination that cannot work."""


class RecipeError(StemsepError, ValueError):
    """A training recipe has an unknown key, an ill-typed value or missing data."""


class WeightsError(StemsepError, ValueError):
    """A checkpoint is missing, damaged or of an unknown format."""


class DatasetError(StemsepError, ValueError):
    """Training or evaluation data is missing or does not fit together."""


def check_choices(config: "DataclassInstance") -> None:
    """Make sure that each field annotated as a ``Literal`` has one of its values.

    Raises:
        ParameterError: it has another; the message lists the valid ones.
    """
    hints = get_type_hints(type(config))
    for field in fields(config):
        if get_origin(hints[field.name]) is Literal:
            value, choices = getattr(config, field.name), get_args(hints[field.name])
            if value not in choices:
                raise ParameterError(f"{field.name} = {value!r}: choose from {', '.join(choices)}")


def require(module: str, *, extra: str) -> ModuleType:
    """Return a module that comes with an extra of the package.

    Args:
        module: its full name.
        extra: the name in ``pip install 'stemsep[NAME]'``.

    Raises:
        MissingExtraError: it is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs {module.partition('.')[0]}, which is not installed: "
            f"pip install 'stemsep[{extra}]'"
        ) from error
