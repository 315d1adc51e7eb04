"""Stages that run beside each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from depthmap.video.stages import Sink, Stage, in_order


def counting(seen: list[int], until: int) -> Iterator[int]:
    for number in range(until):
        seen.append(number)
        yield number


def test_items_come_in_order() -> None:
    with Stage(range(100), 3, "test") as stage:
        assert list(stage) == list(range(100))


def test_no_more_items_are_made_than_there_is_room_for() -> None:
    begun: list[int] = []
    with Stage(counting(begun, 100), 3, "test") as stage:
        items = iter(stage)
        for number in range(50):
            assert next(items) == number
            assert len(begun) <= number + 1 + 3 + 1  # those taken, those that wait, and the one in hand


def test_leaving_ends_the_thread_though_items_are_left() -> None:
    before = threading.active_count()
    with Stage(range(100), 1, "test") as stage:
        next(iter(stage))
    assert threading.active_count() == before


def test_what_is_raised_while_reading_is_raised_to_the_reader_after_what_came_before() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with Stage(broken(), 3, "test") as stage:
        items = iter(stage)
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_a_source_that_does_not_wait_loses_items() -> None:
    made = threading.Event()

    def fast() -> Iterator[int]:
        yield from range(1000)
        made.set()

    with Stage(fast(), 2, "test", drop=True) as stage:
        assert made.wait(60)
        kept = list(stage)
    assert kept[:2] == [0, 1]
    assert len(kept) < 1000


def test_results_come_in_order_and_no_thread_waits_for_the_one_whose_turn_it_is() -> None:
    later = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert later.wait(60)
        if number == 2:
            later.set()
        return number

    assert list(in_order(work, range(5), 2, "test")) == [0, 1, 2, 3, 4]


def test_a_sink_works_in_order_and_is_done_on_leaving() -> None:
    done: list[int] = []
    with Sink(done.append, 2, "test") as sink:
        for number in range(50):
            sink.put(number)
    assert done == list(range(50))


def test_what_is_raised_while_writing_is_raised_to_the_giver() -> None:
    def broken(number: int) -> None:
        raise ValueError("full")

    def give() -> None:
        with Sink(broken, 2, "test") as sink:
            for number in range(100):
                sink.put(number)

    with pytest.raises(ValueError, match="full"):
        give()


def test_what_waits_is_left_undone_when_the_giver_fails() -> None:
    done: list[int] = []
    first = threading.Event()

    def slow(number: int) -> None:
        first.wait(60)
        done.append(number)

    def give() -> None:
        with Sink(slow, 5, "test") as sink:
            for number in range(4):
                sink.put(number)
            threading.Timer(0.1, first.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give()
    assert len(done) <= 1
