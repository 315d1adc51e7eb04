"""Stages of work that run beside each other, each in a thread of its own, with bounded queues between them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WAIT = 0.1
"""Seconds after which a stage that waits looks whether it is still needed."""
_END = object()


class Stage(Generic[T]):
    """Goes through ``items`` in a thread, ``room`` items ahead of whoever iterates over it; it is a context.

    What is raised in the thread is raised where the next item is asked for. Leaving the context ends the thread.
    With ``drop`` an item for which there is no room is left out: a camera does not wait.
    """

    def __init__(self, items: Iterable[T], room: int, name: str, *, drop: bool = False) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(room)
        self._drop = drop
        self._left = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Stage[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def end(self) -> None:
        """Let no more items begin; those that are there still come."""
        self._ended.set()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if item is _END:
                break
            yield item
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._items:
                if self._ended.is_set() or not self._put(item, drop=self._drop):
                    break
        except BaseException as error:  # it is raised in the thread that asks
            self._error = error
        self._put(_END)

    def _put(self, item: Any, *, drop: bool = False) -> bool:
        """Put an item where the other thread finds it; return False when nobody wants it any more."""
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=0 if drop else _WAIT)
            except queue.Full:
                if drop:
                    return True
            else:
                return True
        return False


def in_order(work: Callable[[T], R], items: Iterable[T], at_once: int, name: str) -> Iterator[R]:
    """Yield the result for each item, in their order, while so many threads work; for one, the caller does.

    One item more is begun, or the thread that is done first would wait for the one whose turn it is.
    """
    if at_once == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(at_once, name) as pool:
        begun: deque[Future[R]] = deque()
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


class Sink(Generic[T]):
    """Gives items to a function in a thread of its own, of which ``room`` may wait; it is a context.

    What is raised in the thread is raised at the next `put`, or on leaving.
    """

    def __init__(self, work: Callable[[T], None], room: int, name: str) -> None:
        self._work = work
        self._queue: queue.Queue[Any] = queue.Queue(room)
        self._error: BaseException | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Sink[T]:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Wait for room, and give an item."""
        self._raise()
        self._queue.put(item)

    def __exit__(self, kind: object, *_: object) -> None:
        self._cancelled = kind is not None
        self._queue.put(_END)
        self._thread.join()
        if kind is None:
            self._raise()

    def _run(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self._error is None and not self._cancelled:
                try:
                    self._work(item)
                except BaseException as error:  # it is raised in the thread that gives
                    self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
