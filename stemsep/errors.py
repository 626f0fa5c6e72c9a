"""The errors that stemsep raises on purpose, one small tree.

Each message is one line: what failed, which file or field with its value, and what to do.
The command line prints that line and sets the exit status; a program catches ``StemsepError``.
"""

__all__ = [
    "AudioFileError",
    "DatasetError",
    "ParameterError",
    "RecipeError",
    "StemsepError",
    "WeightsError",
]


class StemsepError(Exception):
    """Root of everything that stemsep raises on purpose."""


class AudioFileError(StemsepError, OSError):
    """A sound file cannot be read or written."""


class ParameterError(StemsepError, ValueError):
    """An argument has a value, shape or combination that cannot work."""


class RecipeError(StemsepError, ValueError):
    """A training recipe has an unknown key, an ill-typed value or missing data."""


class WeightsError(StemsepError, ValueError):
    """A checkpoint is missing, damaged or of an unknown format."""


class DatasetError(StemsepError, ValueError):
    """Training or evaluation data is missing or does not fit together."""
