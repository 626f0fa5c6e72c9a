import threading

import pytest

from stemsep.training.prefetch import prefetched


def workers():
    return {t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")}


def test_items_come_in_order_and_all():
    assert list(prefetched(iter(range(20)))) == list(range(20))
    assert list(prefetched(iter([]))) == []


def test_items_that_are_none_or_false_are_items():
    assert list(prefetched(iter([None, 0, False]))) == [None, 0, False]


def test_the_next_item_is_made_while_one_is_in_use():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    for item in prefetched(items()):
        if item == 1:
            assert made.wait(10)


def test_no_more_than_one_item_is_made_ahead():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    for item in prefetched(items()):
        assert made[-1] <= item + 1


def test_an_exception_arrives_after_the_items_before_it_and_the_thread_ends():
    before = workers()

    def items():
        yield 1
        raise OSError("the disk is gone")

    got = []
    with pytest.raises(OSError, match="the disk is gone"):
        got.extend(prefetched(items()))
    assert workers() <= before


def test_the_thread_ends_with_the_items_and_with_the_interest_in_them():
    before = workers()
    list(prefetched(iter(range(3))))
    assert workers() <= before
    left_early = prefetched(iter(range(3)))
    next(left_early)
    assert not workers() <= before
    left_early.close()
    assert workers() <= before
