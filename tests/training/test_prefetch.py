import threading

import pytest

from stemsep.training.prefetch import prefetched


def workers():
    return {t for t in threading.enumerate() if t.name.startswith("batch")}


def same(key):
    return key


@pytest.mark.parametrize("count", [1, 2, 5])
def test_items_come_with_their_keys_in_order_and_all(count):
    squares = prefetched(lambda i: i * i, range(20), workers=count)
    assert list(squares) == [(i, i * i) for i in range(20)]
    assert list(prefetched(same, [], workers=count)) == []


def test_items_that_are_none_or_false_are_items():
    assert [item for _, item in prefetched(same, [None, 0, False])] == [None, 0, False]


def test_the_next_item_is_made_while_one_is_in_use():
    made = threading.Event()

    def make(key):
        if key == 1:
            made.set()

    for key, _ in prefetched(make, range(2)):
        if key == 0:
            assert made.wait(10)


def test_workers_make_items_at_the_same_time():
    together = threading.Barrier(3, timeout=10)
    assert len(list(prefetched(lambda _: together.wait(), range(3), workers=3))) == 3


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_items_are_made_ahead_than_there_are_workers(count):
    made = []
    for key, _ in prefetched(made.append, range(10), workers=count):
        assert len(made) <= key + 1 + count


def test_an_exception_arrives_after_the_items_before_it_and_the_threads_end():
    def make(key):
        if key == 1:
            raise OSError("the disk is gone")
        return key

    got = []
    with pytest.raises(OSError, match="the disk is gone"):
        got.extend(prefetched(make, range(5)))
    assert not workers()


def test_the_threads_end_with_the_items_and_with_the_interest_in_them():
    list(prefetched(same, range(3)))
    assert not workers()
    left_early = prefetched(same, range(3))
    next(left_early)
    assert workers()
    left_early.close()
    assert not workers()
