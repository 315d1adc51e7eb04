"""Clients that go away, and a server that is stopped, while somebody waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")


async def unless_gone(request: Request, work: Callable[[], Awaitable[Result]]) -> Result:
    """Do ``work`` for a request whose body has come, and give it up when the client goes away.

    Raises
    ------
    ClientDisconnect
        When it went away.
    HTTPException
        503 when the server is stopped meanwhile.
    """
    done: list[Result] = []
    failed: list[Exception] = []

    async def until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(until_gone)
            try:
                done.append(await work())
            except Exception as error:  # raised below: the group would wrap it
                failed.append(error)
            group.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():
        raise HTTPException(503) from None
    if failed:
        raise failed[0]
    if not done:
        raise ClientDisconnect
    return done[0]
