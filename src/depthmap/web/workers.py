"""Threads for long work, apart from those that answer the quick questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

Result = TypeVar("Result")
_THREADS = 4


class Workers:
    """At most four long jobs at once; further ones wait without holding a thread."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_THREADS)

    async def run(self, job: Callable[[], Result]) -> Result:
        """Run ``job`` in a thread; return its result, or raise its error. A job once begun is ended."""
        return await run_sync(job, limiter=self._limiter)
