import threading
import time

import pytest

from stemsep.audio.prefetch import Passed, Prefetched


@pytest.mark.parametrize("depth", [1, 3, 20])
def test_all_items_come_in_order(depth):
    assert list(Prefetched(range(10), depth=depth)) == list(range(10))
    assert list(Prefetched([], depth=depth)) == []


def test_items_are_made_while_earlier_ones_are_used():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    ahead = Prefetched(items(), depth=2)
    assert next(ahead) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert made == [0, 1, 2]  # and no further


def test_an_exception_comes_where_its_item_would_have():
    def items():
        yield 1
        raise KeyError("two")

    ahead = Prefetched(items(), depth=4)
    assert next(ahead) == 1
    with pytest.raises(KeyError):
        next(ahead)
    assert list(ahead) == []


def test_after_the_block_no_thread_asks_for_items():
    asked = []

    def items():
        while True:
            asked.append(threading.get_ident())
            time.sleep(0.001)
            yield 1

    with Prefetched(items(), depth=3) as ahead:
        next(ahead)
    count = len(asked)
    time.sleep(0.02)
    assert len(asked) == count
    assert threading.get_ident() not in asked


def test_what_has_passed_can_be_read_again_once():
    passed = Passed(iter("abc"))
    first = iter(passed)
    assert [next(first), next(first)] == ["a", "b"]
    assert list(passed.again()) == ["a", "b"]
    assert list(first) == ["c"]
    assert list(passed.again()) == ["c"]
