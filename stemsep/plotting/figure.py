"""An empty figure, and a finished one into a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stemsep.audio.atomic import partial_file
from stemsep.errors import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save_figure"]


def new_figure(*, width: float, height: float) -> Figure:
    """Return an empty figure, laid out so that labels never overlap.

    It belongs to no window and no global state, so it works without a screen and in threads.

    Args:
        width: inches.
        height: inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(width, height), layout="constrained"
    )
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the file is complete or not there.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    with partial_file(path) as temporary, warnings.catch_warnings():
        # The font that comes with matplotlib lacks many scripts: a box is drawn, and that is all.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(temporary, format="png", dpi=120)
