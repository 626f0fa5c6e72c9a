"""Keeps the memory that one batch through a network frees for the next batch."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, where the C library is glibc.

    Each step of training, and each chunk of a song, allocates the same large tensors as the one
    before. By default glibc maps each tensor anew and gives it back when it is freed, so the kernel
    has to find and clear every page again at its first touch; without that, a training step on the
    CPU takes little more than half the time. The price is that the process stays as large as it
    ever was until it ends, so a program decides on it, never a library function.

    By default, too, most threads allocate from an arena of their own, and none from what another
    one has freed; with one arena for all, the process stays smaller. Call this before anything is
    imported that starts threads (torch, numpy): an arena that is there stays in use.

    Returns:
        Whether it was done; False with another C library (musl, macOS, Windows).
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    never_map = libc.mallopt(M_MMAP_MAX, 0)
    never_trim = libc.mallopt(M_TRIM_THRESHOLD, -1)
    one_arena = libc.mallopt(M_ARENA_MAX, 1)
    return bool(never_map and never_trim and one_arena)
