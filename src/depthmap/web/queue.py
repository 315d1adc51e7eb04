"""The queue of predictions: bounded, in the order in which they came, several of one kind at a time.

There is no task that serves it. Whoever is first in the queue does the work for itself and for those behind it that
can share a forward pass; the others find theirs done when their turn comes. So there is nothing to start or to stop,
and a client that goes away takes its place with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ..errors import DepthmapError

BATCH = 4
"""Predictions that share a forward pass at most."""
_LONGEST = 60
"""Seconds that a client is told to wait at most."""

Run = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""What does the work: of a kind and its items it returns, in their order, the result of each, or its exception."""


class QueueFull(DepthmapError):
    """So many predictions wait already that no other may. ``seconds`` says when to try again."""

    seconds = 1

    @classmethod
    def of(cls, waiting: int, seconds: int) -> QueueFull:
        """Return the error."""
        remedy = f"Try again in {seconds} s, or raise DEPTHMAP_QUEUE."
        error = cls(f"{waiting} predictions wait already", "", remedy)
        error.seconds = seconds
        return error


@dataclass(eq=False)
class Place:
    """Somebody's place in the queue, from the first byte of a request to the last of its answer.

    ``seconds`` holds how long it waited for its turn, and how long its forward pass took.
    """

    kind: Hashable = None
    item: Any = None
    outcome: Any = None
    done: bool = False
    running: bool = False
    since: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: {"wait": 0.0, "predict": 0.0})


class Queue:
    """At most ``limit`` places wait besides those whose turn it is."""

    def __init__(self, limit: int, run: Run) -> None:
        self.limit = limit
        self._run = run
        self._places: set[Place] = set()
        self._pending: dict[Place, None] = {}
        self._turn = anyio.Lock()
        self._limiter = CapacityLimiter(1)
        self._mean = 0.5  # seconds of a prediction, of late

    @property
    def waiting(self) -> int:
        """How many wait, or still send their picture."""
        return len(self._places) - self.running

    @property
    def running(self) -> int:
        """How many are being predicted or answered."""
        return sum(place.running for place in self._places)

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Have a place for as long as the context lasts.

        Raises
        ------
        QueueFull
            When too many wait.
        """
        if self._places and self.waiting >= self.limit:
            seconds = max(1, min(_LONGEST, math.ceil(self.waiting * self._mean)))
            raise QueueFull.of(self.waiting, seconds)
        place = Place()
        self._places.add(place)
        try:
            yield place
        finally:
            self._places.discard(place)

    async def do(self, place: Place, kind: Hashable, item: Any) -> Any:
        """Wait for the turn of an item, and return its result or raise its exception."""
        place.kind, place.item, place.since = kind, item, time.perf_counter()
        self._pending[place] = None
        try:
            async with self._turn:
                if not place.done:
                    await self._lead(place)
        finally:
            self._pending.pop(place, None)
        if isinstance(place.outcome, Exception):
            raise place.outcome
        return place.outcome

    async def _lead(self, first: Place) -> None:
        """Do the work of this place, and of those that wait for the same kind of work."""
        others = [other for other in self._pending if other.kind == first.kind and other is not first]
        batch = [first, *others[: BATCH - 1]]
        start = time.perf_counter()
        for place in batch:
            self._pending.pop(place, None)
            place.running = True
            place.seconds["wait"] += start - place.since
        outcomes = await run_sync(
            self._run, first.kind, [place.item for place in batch], limiter=self._limiter
        )
        took = time.perf_counter() - start
        self._mean += (took / len(batch) - self._mean) / 8
        for place, outcome in zip(batch, outcomes, strict=True):
            place.outcome, place.done = outcome, True
            place.seconds["predict"] = took
