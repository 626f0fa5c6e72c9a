"""Batches ahead, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetched"]

Key = TypeVar("Key")
Item = TypeVar("Item")


def prefetched(
    make: Callable[[Key], Item], keys: Iterable[Key], *, workers: int = 1
) -> Generator[tuple[Key, Item], None, None]:
    """Yield each key with what ``make`` makes of it, in the order of the keys.

    Args:
        make: called in threads of their own.
        keys: what to make.
        workers: threads, and items that are made while one is in use.
    """
    ahead: deque[tuple[Key, Future[Item]]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="batch") as pool:
        try:
            for key in keys:
                ahead.append((key, pool.submit(make, key)))
                if len(ahead) > workers:
                    first, item = ahead.popleft()
                    yield first, item.result()
            while ahead:
                first, item = ahead.popleft()
                yield first, item.result()
        finally:
            for _, item in ahead:
                item.cancel()
