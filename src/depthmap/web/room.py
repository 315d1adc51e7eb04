"""How much may be in memory at once: whoever needs more waits for its turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class Room:
    """Room for so many of something, such as decoded pixels. Who comes first is let in first.

    More than there is room for is let in alone.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._door = anyio.Lock()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def take(self, amount: int) -> AsyncIterator[None]:
        """Wait until there is room, and have it for as long as the context lasts."""
        async with self._door:
            while self.taken and self.taken + amount > self.size:
                self._freed = anyio.Event()
                await self._freed.wait()
            self.taken += amount
        try:
            yield
        finally:
            self.taken -= amount
            self._freed.set()
