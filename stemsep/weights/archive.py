"""An archive that strangers packed -> the few files that are wanted from it.

Nothing is unpacked to where the archive says: wanted members go into one folder under their own
last name. Links, devices and paths that lead elsewhere are refused, and so is an archive that
unpacks to more than any network needs.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stemsep.errors import WeightsError

__all__ = ["extract", "is_archive"]

GZIP_MAGIC = b"\x1f\x8b"
TAR_MAGIC = b"ustar"
MOST_BYTES = 1 << 29
"""More than any archive of networks unpacks to; a bomb is stopped there."""


def is_archive(path: Path) -> bool:
    """Return whether a file begins like a tar archive, compressed by gzip or not."""
    with path.open("rb") as file:
        start = file.read(512)
    return start.startswith(GZIP_MAGIC) or start[257:262] == TAR_MAGIC


def extract(archive: Path, folder: Path, *, wanted: Callable[[str], bool]) -> list[Path]:
    """Unpack the wanted members of a tar archive and return their paths.

    The archive is read to its very end, so that a cut or damaged one is noticed even where the
    wanted members are whole.

    Args:
        archive: ``.tar.gz`` or ``.tar``.
        folder: where the files go, directly.
        wanted: says of a member's last name whether it is.

    Raises:
        WeightsError: no archive, a damaged one, or one that tries something.
    """
    try:
        with archive.open("rb") as file:
            compressed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            stream: BinaryIO = gzip.GzipFile(fileobj=file) if compressed else file  # type: ignore[assignment]
            return _extract(_Limited(stream, archive), archive, folder, wanted)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"'{archive}' is cut or damaged, or no tar archive: {error}") from error
    except OSError as error:
        raise WeightsError(f"cannot unpack '{archive}': {error.strerror or error}") from error


def _extract(
    stream: _Limited, archive: Path, folder: Path, wanted: Callable[[str], bool]
) -> list[Path]:
    found: list[Path] = []
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise WeightsError(f"'{archive}' holds '{member.name}', a path that leads outside")
            if not (member.isreg() or member.isdir()):
                raise WeightsError(f"'{archive}' holds '{member.name}', a link or a device")
            content = tar.extractfile(member) if wanted(path.name) else None
            if content is None:
                continue
            found.append(folder / path.name)
            with found[-1].open("xb") as out:
                shutil.copyfileobj(content, out)
    while stream.read(1 << 16):  # its checksum comes last
        pass
    return found


class _Limited:
    """Passes on what is read from a stream, up to a limit."""

    def __init__(self, stream: BinaryIO, archive: Path) -> None:
        self.stream, self.archive, self.left = stream, archive, MOST_BYTES

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes.

        Raises:
            WeightsError: the limit is passed.
        """
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise WeightsError(
                f"'{self.archive}' unpacks to more than {MOST_BYTES >> 20} MiB: refused"
            )
        return data
