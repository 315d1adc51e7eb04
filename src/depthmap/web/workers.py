"""Threads for long work, apart from those that answer the quick questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, get_cancelled_exc_class
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException

Result = TypeVar("Result")
_THREADS = 4


class Workers:
    """At most four long jobs at once; further ones wait without holding a thread."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_THREADS)

    async def run(self, job: Callable[[], Result]) -> Result:
        """Run ``job`` in a thread; return its result, or raise its error.

        When the server is stopped, whoever waits is told so (503); a job once begun runs to its end.
        """
        try:
            return await run_sync(job, limiter=self._limiter)
        except get_cancelled_exc_class():
            raise HTTPException(503) from None
