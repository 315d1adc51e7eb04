"""Server-sent events: lines of text on a connection that stays open."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from threading import Event
from typing import Any

import anyio
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse

from .jobs import ENDED, Job
from .progress import INTERVAL

_SILENCE = 15.0
"""Seconds after which a connection says that it is still there, for proxies that close silent ones."""


class EventStream(StreamingResponse):
    """A reply of events, until their source ends."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], status_code: int = 200) -> None:
        super().__init__(events, status_code, headers={"X-Accel-Buffering": "no"})


def event(name: str, data: Any) -> bytes:
    """Return one event; JSON has no line breaks that would end its data."""
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n".encode("ascii")


async def changes(
    look: Callable[[], Sequence[Job]], stopped: Event, *, until_ended: bool
) -> AsyncIterator[bytes]:
    """Yield each job now, and again when it changes, until the server stops or, if asked for, until all have ended."""
    seen: dict[str, Job] = {}
    said = time.monotonic()
    while not stopped.is_set():
        jobs = await run_sync(look)
        for job in jobs:
            if seen.get(job.id) != job:
                yield event("progress", job.shown())
                said = time.monotonic()
        seen = {job.id: job for job in jobs}
        if until_ended and all(job.state in ENDED for job in jobs):
            return
        if time.monotonic() - said > _SILENCE:
            yield b": still here\n\n"
            said = time.monotonic()
        await anyio.sleep(INTERVAL)
