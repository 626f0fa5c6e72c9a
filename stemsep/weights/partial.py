"""What has come so far of a file, kept beside its final name, for one process at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemsep.audio.atomic import lock_file
from stemsep.errors import DownloadError
from stemsep.weights.digest import file_digest

__all__ = ["Partial", "open_partial"]


@dataclass(kw_only=True)
class Partial:
    """What has come so far of a file.

    Args:
        file: ``NAME.part``, open for reading and writing.
        path: of that file.
        validator: what the server calls this version of it (``ETag`` or ``Last-Modified``).
    """

    file: BinaryIO
    path: Path
    validator: str = ""

    @property
    def note(self) -> Path:
        """Path of the file that remembers where the bytes came from."""
        return self.path.with_name(self.path.name + ".json")

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.file.seek(0, os.SEEK_END)

    def resume(self, url: str, *, verifiable: bool) -> bool:
        """Keep the bytes of an earlier run if they are of the same file, else drop them."""
        with suppress(OSError, ValueError, AttributeError):
            told = json.loads(self.note.read_text("utf-8"))
            self.validator = str(told.get("validator", ""))
            if told.get("url") == url and self.size and (self.validator or verifiable):
                return True
        self.restart()
        return False

    def restart(self) -> None:
        """Drop all bytes."""
        self.file.truncate(0)
        self.validator = ""

    def remember(self, url: str, validator: str) -> None:
        """Write down where the bytes come from."""
        self.validator = validator
        self.note.write_text(json.dumps({"url": url, "validator": validator}), "utf-8")

    def has(self, sha256: str | None) -> bool:
        """Return whether the bytes have that digest."""
        self.file.flush()
        return sha256 is None or file_digest(self.path).startswith(sha256.lower())

    def finish(self, url: str, path: Path, sha256: str | None) -> None:
        """Give the file its name if its digest is right, else drop all bytes."""
        if not self.has(sha256):
            found = file_digest(self.path)
            self.restart()
            raise DownloadError(
                f"what {url} sends is not the file that was expected (SHA-256 {found[:16]}... "
                f"instead of {str(sha256)[:16]}...): nothing of it was kept; try again later, or "
                "another address"
            )
        os.fsync(self.file.fileno())
        self.path.replace(path)


@contextmanager
def open_partial(path: Path) -> Iterator[Partial]:
    """Open the partial file of ``path``, for this process alone; remove it when it is empty."""
    name = path.with_name(f"{path.name}.part")
    with open(os.open(name, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:  # noqa: PTH123
        try:
            lock_file(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), name.stat()):
                raise FileNotFoundError(name)  # renamed or removed before the lock was ours
        except OSError as error:
            raise DownloadError(
                f"another process is downloading '{path}': wait until it is done"
            ) from error
        partial = Partial(file=file, path=name)
        try:
            yield partial
        finally:
            if path.exists() or not partial.size:
                for leftover in (name, partial.note):
                    leftover.unlink(missing_ok=True)
