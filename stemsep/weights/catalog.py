"""Names of networks -> checkpoint files: shipped, in the user's store, or published."""

from __future__ import annotations

from pathlib import Path

from stemsep.data.shipped import shipped_folder
from stemsep.errors import WeightsError
from stemsep.weights.fetching import Fetching
from stemsep.weights.published import FAMILIES, PUBLISHED, published_name
from stemsep.weights.store import fetch, fetch_address, stored_models

__all__ = ["find_checkpoint", "shipped_checkpoints"]

SUFFIX = ".safetensors"


def shipped_checkpoints() -> dict[str, Path]:
    """Return name -> file of the checkpoints that came with the package."""
    return {path.stem: path for path in sorted(shipped_folder("checkpoints").glob(f"*{SUFFIX}"))}


def find_checkpoint(name_or_path: str | Path, *, fetching: Fetching | None = None) -> Path:
    """Return the checkpoint file of a network.

    Args:
        name_or_path: a shipped name (such as ``default``), a name in the store, a file, a
            published name (such as ``spleeter:4stems``), or an address.
        fetching: how to fetch one that is not here; None for not at all.

    Raises:
        WeightsError: none of these; the message lists the names.
        DownloadError: it cannot be fetched.
    """
    name = published_name(str(name_or_path))
    here = {**stored_models(), **shipped_checkpoints()}
    if name in here:
        return here[name]
    path = Path(name_or_path)
    if path.is_file():
        return path
    address = name.startswith(("https://", "http://"))
    if fetching and (address or name in PUBLISHED):
        return fetch_address(name, fetching) if address else fetch(PUBLISHED[name], fetching)
    if name in PUBLISHED:
        raise WeightsError(f"'{name}' is not here yet: stemsep models download {name}")
    names = ", ".join({**shipped_checkpoints(), **here, **PUBLISHED, **FAMILIES})
    raise WeightsError(
        f"no model '{name_or_path}': give a checkpoint file ({SUFFIX}) or one of: {names}"
    )
