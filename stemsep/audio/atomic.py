"""Files that are complete or not there: written under another name, then renamed.

The other name never ends like the final one, and holds a lock while its writer lives, so that a
later run can tell what a killed one left behind and remove it.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["lock_file", "partial_file", "remove_leftovers"]

PREFIX, SUFFIX = ".stemsep-", ".part"


@contextmanager
def partial_file(final: Path) -> Iterator[Path]:
    """Give a temporary path beside ``final``; rename it to ``final`` if the block succeeds.

    The temporary file exists (empty) from the start, and is removed if the block fails. Its name
    is short whatever the final one, so that the longest names that the disk takes work.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    temporary = final.parent / f"{PREFIX}{uuid.uuid4().hex[:12]}{SUFFIX}"
    lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with suppress(OSError):  # a file system without locks: there leftovers just stay
            lock_file(lock)
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(lock)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files in ``folder`` whose writer is dead; a live one's are left alone."""
    with suppress(OSError):
        for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
            with suppress(OSError):
                handle = os.open(path, os.O_RDWR)
                try:
                    lock_file(handle)
                    path.unlink()
                finally:
                    os.close(handle)


def _flush_to_disk(path: Path) -> None:
    # A full disk or a failing one may only tell now; without this the rename could outlive the
    # data in a power failure.
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock_file(handle: int, *, wait: bool = False) -> None:
    """Take the lock or raise OSError; on Windows an open file cannot be removed, which serves."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
