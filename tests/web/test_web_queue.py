"""The queue: bounded, in order, in batches of one kind; who goes away takes nobody's turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from depthmap.web.queue import BATCH, Queue, QueueFull
from depthmap.web.room import Room


class Work:
    """Work that waits until it is let go; ``ran`` has the batches in their order."""

    def __init__(self) -> None:
        import threading

        self.ran: list[list[Any]] = []
        self.go = threading.Event()
        self.failing: set[Any] = set()

    def __call__(self, kind: Any, items: Sequence[Any]) -> list[Any]:
        self.ran.append(list(items))
        self.go.wait(60)
        return [ValueError(item) if item in self.failing else (kind, item) for item in items]


async def until(condition: Any) -> None:
    with anyio.fail_after(60):
        while not condition():
            await anyio.sleep(0.001)


async def ask(queue: Queue, kind: Any, item: Any, outcomes: dict[Any, Any]) -> None:
    try:
        with queue.place() as place:
            outcomes[item] = await queue.do(place, kind, item)
    except (QueueFull, ValueError) as error:
        outcomes[item] = error


def test_those_that_wait_for_one_kind_of_work_share_it_and_the_others_keep_their_order() -> None:
    async def main() -> None:
        work, outcomes = Work(), dict[Any, Any]()
        queue = Queue(32, work)
        async with anyio.create_task_group() as group:
            for item, kind in enumerate("a" + "ababbaaaa"):
                group.start_soon(ask, queue, kind, item, outcomes)
                await until(lambda: work.ran)
                await anyio.sleep(0)
            await until(lambda: len(queue._pending) == 9)
            assert (queue.running, queue.waiting) == (1, 9)
            work.go.set()
        assert work.ran == [[0], [1, 3, 6, 7], [2, 4, 5], [8, 9]]
        assert outcomes == {item: (kind, item) for item, kind in enumerate("aababbaaaa")}
        assert (queue.running, queue.waiting) == (0, 0)
        assert max(map(len, work.ran)) <= BATCH

    anyio.run(main)


def test_who_goes_away_while_it_waits_is_never_worked_for() -> None:
    async def main() -> None:
        work, outcomes = Work(), dict[Any, Any]()
        queue = Queue(32, work)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, queue, "a", 0, outcomes)
            await until(lambda: work.ran)
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(ask, queue, "a", 1, outcomes)
                await until(lambda: len(queue._pending) == 1)
                group.start_soon(ask, queue, "b", 2, outcomes)
                await until(lambda: len(queue._pending) == 2)
                leaving.cancel_scope.cancel()
            work.go.set()
        assert work.ran == [[0], [2]]
        assert outcomes.keys() == {0, 2}

    anyio.run(main)


def test_who_leads_a_batch_and_goes_away_still_does_the_work_of_the_others() -> None:
    async def main() -> None:
        work, outcomes = Work(), dict[Any, Any]()
        queue = Queue(32, work)
        async with anyio.create_task_group() as group, anyio.create_task_group() as leaving:
            group.start_soon(ask, queue, "b", 0, outcomes)
            await until(lambda: work.ran)
            leaving.start_soon(ask, queue, "a", 1, outcomes)
            await until(lambda: len(queue._pending) == 1)
            group.start_soon(ask, queue, "a", 2, outcomes)
            await until(lambda: len(queue._pending) == 2)
            work.go.set()
            await until(lambda: len(work.ran) == 2)
            leaving.cancel_scope.cancel()
        assert work.ran == [[0], [1, 2]]
        assert outcomes[2] == ("a", 2)

    anyio.run(main)


def test_more_than_may_wait_are_refused_with_when_to_try_again() -> None:
    async def main() -> None:
        work, outcomes = Work(), dict[Any, Any]()
        queue = Queue(2, work)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, queue, "a", 0, outcomes)
            await until(lambda: work.ran)
            for item in (1, 2):
                group.start_soon(ask, queue, "a", item, outcomes)
            await until(lambda: queue.waiting == 2)
            with pytest.raises(QueueFull) as caught, queue.place():
                pass
            assert caught.value.seconds >= 1
            assert "DEPTHMAP_QUEUE" in caught.value.remedy
            work.go.set()
        assert outcomes == {item: ("a", item) for item in range(3)}

    anyio.run(main)


def test_a_queue_of_none_serves_one_at_a_time() -> None:
    async def main() -> None:
        queue = Queue(0, Work())
        with queue.place(), pytest.raises(QueueFull), queue.place():
            pass
        with queue.place():
            pass

    anyio.run(main)


def test_one_failure_of_a_batch_is_that_one_s_alone() -> None:
    async def main() -> None:
        work, outcomes = Work(), dict[Any, Any]()
        work.failing = {2}
        queue = Queue(32, work)
        async with anyio.create_task_group() as group:
            for item in range(3):
                group.start_soon(ask, queue, "a", item, outcomes)
            await until(lambda: work.ran)
            work.go.set()
        assert isinstance(outcomes[2], ValueError)
        assert outcomes[0] == ("a", 0)
        assert outcomes[1] == ("a", 1)

    anyio.run(main)


def test_what_does_not_fit_waits_and_nobody_overtakes_it() -> None:
    async def main() -> None:
        room, entered = Room(10), list[int]()
        leave = {amount: anyio.Event() for amount in (6, 5, 3, 99)}

        async def take(amount: int) -> None:
            async with room.take(amount):
                entered.append(amount)
                await leave[amount].wait()

        async with anyio.create_task_group() as group:
            for amount in (6, 5, 3, 99):
                group.start_soon(take, amount)
                await anyio.wait_all_tasks_blocked()
            assert entered == [6]
            leave[6].set()
            await until(lambda: len(entered) == 3)
            await anyio.wait_all_tasks_blocked()
            assert entered == [6, 5, 3]
            leave[5].set()
            leave[3].set()
            await until(lambda: len(entered) == 4)
            leave[99].set()
        assert room.taken == 0

    anyio.run(main)
