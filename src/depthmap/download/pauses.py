"""How long to wait before a source is asked again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_FIRST = 0.5
LONGEST = 120.0
"""Seconds between two tries; a server that asks for more is not waited for."""
_TICK = 0.2


def pause(failed: int, asked: float, tick: Callable[[float], None]) -> None:
    """Wait after the ``failed``-th failure in a row: longer each time, and as long as the server ``asked`` for.

    ``tick`` is called several times a second with the seconds that are left; what it raises ends the wait.
    """
    # Jitter, so that machines that failed together do not come back together.
    backoff = _FIRST * 2 ** max(0, failed - 1) * random.uniform(1, 1.5)  # noqa: S311  # no secret
    end = time.monotonic() + min(LONGEST, max(backoff, asked))
    while (left := end - time.monotonic()) > 0:
        tick(left)
        time.sleep(min(_TICK, left))
