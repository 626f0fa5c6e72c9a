"""State dicts that PyTorch programs save: names -> tensors, read without running code."""

from __future__ import annotations

import warnings
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from stemsep.errors import WeightsError

__all__ = ["is_state_dict", "read_state_dict"]

MAGICS = (b"PK\x03\x04", b"\x80")
"""How files of `torch.save` begin, since version 1.6 and before."""


def is_state_dict(path: Path) -> bool:
    """Return whether a file begins like one of `torch.save`."""
    with path.open("rb") as file:
        return file.read(4).startswith(MAGICS)


def read_state_dict(path: Path) -> Any:
    """Return what a file of `torch.save` holds: tensors, numbers and texts, in any nesting.

    Raises:
        WeightsError: no such file, not one of `torch.save`, or one whose objects are made by code.
    """
    try:
        with warnings.catch_warnings():  # about pickles that are refused next
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"no checkpoint '{path}'") from error
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, UnpicklingError) as error:
        raise WeightsError(f"'{path}' is not a state dict that torch can read safely") from error
