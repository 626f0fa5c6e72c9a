"""Digests of files, each computed once a run: what a stored score is valid for."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from stemsep.errors import AudioFileError
from stemsep.weights.digest import file_digest

__all__ = ["file_digests"]


def file_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Return name -> SHA-256 in hex.

    Raises:
        AudioFileError: a file cannot be read.
    """
    try:
        with ThreadPoolExecutor() as pool:
            digests = pool.map(lambda path: _digest(path, _version(path)), files.values())
            return dict(zip(files, digests, strict=True))
    except OSError as error:
        raise AudioFileError(f"cannot read '{error.filename}': {error.strerror}") from error


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=256)
def _digest(path: Path, version: tuple[int, int]) -> str:  # noqa: ARG001 - a changed file is new
    return file_digest(path)
