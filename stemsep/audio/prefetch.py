"""Items of a slow iterator made ahead, in a thread, so that stages of work overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

__all__ = ["Passed", "Prefetched"]

Item = TypeVar("Item")

_END = object()


class Prefetched(Iterator[Item]):
    """Yields the items of ``items``, computed in a thread while earlier ones are being used.

    An exception of ``items`` comes out where its item would have. As a context manager it makes
    sure that the thread is done with ``items`` afterwards.

    Args:
        items: only that thread asks for its items.
        depth: how many items may wait to be used.
    """

    def __init__(self, items: Iterable[Item], *, depth: int = 1) -> None:
        self._items = iter(items)
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._ahead = deque(self._pool.submit(next, self._items, _END) for _ in range(depth))

    def __next__(self) -> Item:
        item = self._ahead.popleft().result() if self._ahead else _END
        if item is _END:
            self._ahead.clear()
            raise StopIteration
        self._ahead.append(self._pool.submit(next, self._items, _END))
        return item  # type: ignore[return-value]

    def __enter__(self) -> Prefetched[Item]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __del__(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class Passed(Iterable[Item]):
    """Iterates over ``items`` and keeps each for a second reader, which comes later.

    Unlike `itertools.tee`, the two may read in different threads. The second one must not overtake
    the first: it ends where there is no item at the moment.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self._kept: deque[Item] = deque()

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self._kept.append(item)
            yield item

    def again(self) -> Iterator[Item]:
        """Yield the items that have been passed on, and forget them."""
        while self._kept:
            yield self._kept.popleft()
