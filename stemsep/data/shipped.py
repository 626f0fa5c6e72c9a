"""The files that travel with the package: checkpoints, recipes, the example song.

In a wheel they lie in ``stemsep/_shipped``; in a checkout (and with ``pip install -e``) in folders
beside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["shipped_folder"]


def shipped_folder(name: Literal["checkpoints", "data", "recipes"]) -> Path:
    """Return the folder that holds the shipped files of one kind; it may be missing or empty."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_shipped"
    return installed / name if installed.is_dir() else package.parent / name
