"""A published file -> the user's disk: from its own address or from a mirror."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stemsep.errors import DownloadError
from stemsep.weights.digest import file_digest
from stemsep.weights.download import Progress, download
from stemsep.weights.published import PublishedFile

__all__ = ["Fetching", "addresses", "fetch_file"]

MOST_JSON_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """How to fetch.

    Args:
        offline: do not use the network.
        accept_licence: the user accepts the terms of networks that ask for it.
        tell: called with lines for the user: terms and size, and warnings.
        progress: gives a callback for a file's name, for the time of its download.
    """

    offline: bool = False
    accept_licence: bool = False
    tell: Callable[[str], None] = lambda _line: None
    progress: Callable[[str], AbstractContextManager[Progress]] = lambda _name: nullcontext(
        lambda _here, _total: None
    )


def fetch_file(file: PublishedFile, folder: Path, fetching: Fetching) -> dict[str, Any]:
    """Fetch a published file into a folder and return the record of where it came from.

    Raises:
        DownloadError: none of its addresses gives it.
    """
    first: DownloadError | None = None
    for url in addresses(file):
        try:
            digest = file.sha256
            if url != file.url:
                digest = _mirrored_digest(url, file, folder, fetching)
            with fetching.progress(file.name) as progress:
                path = download(
                    url,
                    folder / file.name,
                    sha256=digest or None,
                    progress=progress,
                )
        except DownloadError as error:
            first = first or error
            continue
        found = file_digest(path)
        return {
            "url": url,
            "sha256": found,
            "bytes": path.stat().st_size,
            "published": found.startswith(file.sha256) if file.sha256 else url == file.url,
        }
    raise first or DownloadError(f"no address of '{file.name}'")


def addresses(file: PublishedFile) -> list[str]:
    """Return where to look for a file: its own address, or both layouts of a mirror.

    A mirror is what the environment variable ``STEMSEP_MIRROR`` names.
    """
    mirror = os.environ.get("STEMSEP_MIRROR", "").rstrip("/")
    if not mirror:
        return [file.url]
    return [mirror + urlsplit(file.url).path, f"{mirror}/{file.name}"]


def _mirrored_digest(url: str, file: PublishedFile, folder: Path, fetching: Fetching) -> str:
    """Return the digest that a mirror's ``checksum.json`` names for a file, or the published one.

    The user chose the mirror: it may have networks of its own under the same names, but not
    unnoticed.
    """
    listing = folder / "checksum.json"
    listing.unlink(missing_ok=True)
    try:
        download(url.rpartition("/")[0] + "/checksum.json", listing)
        if listing.stat().st_size > MOST_JSON_BYTES:
            return file.sha256
        named = json.loads(listing.read_text("utf-8"))[file.name.partition(".")[0]]
    except (DownloadError, ValueError, KeyError, TypeError):
        return file.sha256
    finally:
        listing.unlink(missing_ok=True)
    if not isinstance(named, str) or not re.fullmatch("[0-9a-f]{64}", named):
        return file.sha256
    if not named.startswith(file.sha256):
        fetching.tell(f"Warning: {url} is, by its mirror's checksum.json, not the published file")
    return named
