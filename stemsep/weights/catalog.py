"""Names of networks -> checkpoint files."""

from __future__ import annotations

from pathlib import Path

from stemsep.data.shipped import shipped_folder
from stemsep.errors import WeightsError

__all__ = ["find_checkpoint", "shipped_checkpoints"]

SUFFIX = ".safetensors"


def shipped_checkpoints() -> dict[str, Path]:
    """Return name -> file of the checkpoints that came with the package."""
    return {path.stem: path for path in sorted(shipped_folder("checkpoints").glob(f"*{SUFFIX}"))}


def find_checkpoint(name_or_path: str | Path) -> Path:
    """Return the checkpoint file of a shipped name (such as ``default``) or of a path.

    Raises:
        WeightsError: neither a shipped name nor an existing file; the message lists the names.
    """
    shipped = shipped_checkpoints()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ", ".join(shipped) or "none"
    raise WeightsError(
        f"no model '{name_or_path}': give a checkpoint file ({SUFFIX}) or one of: {names}"
    )
