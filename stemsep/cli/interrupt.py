"""Ctrl-C at a safe point.

libsndfile and FFmpeg call back into Python to read and write, and drop an exception that is raised
there, a KeyboardInterrupt too: the file would then go on, broken, to its final name.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interrupt_between_blocks"]


@contextmanager
def interrupt_between_blocks() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt if Ctrl-C was pressed since the block began.

    Ctrl-C alone only takes note; pressed again it interrupts at once.
    """
    pressed = False

    def take_note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            signal.default_int_handler(number, frame)
        pressed = True

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, take_note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
