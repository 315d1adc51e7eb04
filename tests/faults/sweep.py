"""Which boundaries of an operation are broken, and how a sweep goes over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .places import Event, Place, events
from .scenarios import Check, Scenario

Item = TypeVar("Item")
MANY = 80
GOLDEN = 0.618


def counted(place: Place, scenario: Scenario) -> list[Event]:
    """Run an operation unharmed, once a session, and return what it did."""
    if scenario.name not in place.counted:
        place.reset(scenario.state)
        scenario.run(place, orders=place.orders("count")).done()
        Check(place, scenario).finished()
        place.counted[scenario.name] = events(place.log)
    return place.counted[scenario.name]


def boundaries(happened: Sequence[Event], full: bool) -> list[int]:
    """Return the numbers of the boundaries to break: from 1 to one past the last.

    All, where they are `MANY` at most; else all that are not within a row of writes to one file, and an even sample of
    those. Where the sweep is not ``full``: one, at another place for each operation.
    """
    kinds = [(event.operation, event.path) for event in happened]
    inner = [
        event.number
        for event, kind, before, after in zip(happened[1:-1], kinds[1:-1], kinds, kinds[2:], strict=False)
        if kind == before == after
    ]
    last = happened[-1].number + 1 if happened else 1
    edges = sorted(set(range(1, last + 1)) - set(inner))
    if not full:
        return [edges[int(len(happened) * GOLDEN % 1 * len(edges))]]
    return sorted({*edges, *spread(inner, MANY - len(edges))})


def writes(happened: Sequence[Event]) -> list[int]:
    """Return the boundaries that write more than one byte: those at which half can be written."""
    return [event.number for event in happened if event.operation in ("write", "copy") and event.length > 1]


def spread(items: Sequence[Item], number: int) -> list[Item]:
    """Return ``number`` of the items (or all), evenly spread, the first and the last among them."""
    if number >= len(items):
        return list(items)
    if number < 2:
        return list(items[:number])
    return [items[round(i * (len(items) - 1) / (number - 1))] for i in range(number)]
