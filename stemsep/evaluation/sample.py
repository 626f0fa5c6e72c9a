"""MUSDB18's official sample, seven seconds of each track: fetched once, into the cache.

It is for academic, non-commercial use, as MUSDB18 is.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from stemsep.errors import DownloadError
from stemsep.weights.download import Progress, download
from stemsep.weights.store import cache_folder

__all__ = ["fetch_sample", "sample_folder"]

SAMPLE_URL = "https://github.com/sigsep/sigsep-mus-db/releases/download/v0.4.0/MUSDB18-7-STEMS.zip"
"""Where the musdb package (0.4.3) fetches it from."""

WANTED = re.compile(r"(train|test)/[^/\\]+\.stem\.mp4")


def sample_folder() -> Path:
    """Return where the sample is kept, whether it is there or not."""
    return cache_folder() / "musdb18-7"


def fetch_sample(*, progress: Progress | None = None) -> Path:
    """Return the sample's folder, with ``train`` and ``test`` in it; fetched if it is not there.

    Args:
        progress: called with the bytes that are here, and all of them.

    Raises:
        DownloadError: it cannot be fetched, or is damaged.
    """
    folder = sample_folder()
    if folder.is_dir():
        return folder
    archive = download(SAMPLE_URL, folder.with_suffix(".zip"), progress=progress)
    unpacked = folder.with_suffix(".part")
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
    try:
        with zipfile.ZipFile(archive) as packed:
            names = [name for name in packed.namelist() if WANTED.fullmatch(name)]
            packed.extractall(unpacked, names)
        if not names:
            raise zipfile.BadZipFile("no .stem.mp4 in it")
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        archive.unlink()
        raise DownloadError(
            f"what came from {SAMPLE_URL} is not MUSDB18's sample: {error}; try again"
        ) from error
    unpacked.rename(folder)
    archive.unlink()
    return folder
