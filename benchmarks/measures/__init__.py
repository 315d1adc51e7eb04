"""The measures: each a module with ``measure(bench)``, which returns series.

The clocks are ``imports`` (start of Python included), ``ready`` (load to a network that is ready, after all imports),
``first`` (start of a process until the first depth map), ``steady`` (the network alone, after warming up), ``private``
(memory that a process shares with no other, after a depth map); others say what they are.
"""

from __future__ import annotations

from collections.abc import Callable

from ..bench import Bench
from ..series import Series
from . import cold, commands, first, growth, imports, ready, sharing, steady, verifying

MEASURES: dict[str, Callable[[Bench], list[Series]]] = {
    "imports": imports.measure,
    "ready": ready.measure,
    "first": first.measure,
    "cold": cold.measure,
    "steady": steady.measure,
    "memory": sharing.measure,
    "verify": verifying.measure,
    "list": commands.listing,
    "serve": commands.serving,
    "load-growth": growth.loading,
    "list-growth": growth.listing,
}
"""In the order in which they are made."""
