"""How far a download is and how fast it goes, told a few times a second."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

_WINDOW = 5.0
"""Seconds over which the rate is the average."""
INTERVAL = 0.25
"""Seconds between two reports, at least."""
_SHARE = 10
"""Reports may take this part of the time: a disk that is slow to write them gets fewer."""
_PHASES = {
    "Downloading": "downloading",
    "Verifying": "verifying",
    "Writing": "converting",
    "Waiting": "waiting",
}
"""What is being done, by the first word of what `download.Progress` is told."""


class Reading(NamedTuple):
    """What is shown of a download's progress; bytes, bytes a second, seconds (None: unknown)."""

    phase: str
    done_bytes: int
    total_bytes: int
    rate_bytes: int
    seconds_left: float | None


class Meter:
    """Turns what a download says, often, into what is worth a report."""

    def __init__(self) -> None:
        self._phase = ""
        self._done = self._total = 0
        self._points: deque[tuple[float, int]] = deque()
        self._next = 0.0

    def note(self, what: str, done: int, total: int) -> None:
        """Take in what was told; see `download.Progress`."""
        phase = _PHASES.get(what.split(" ")[0], "working")
        if phase == "downloading" and done >= total > 0:
            phase = "verifying"  # what came is hashed before it is published
        if phase == "waiting":  # for a server, or for another process: how far it is, is not told
            done, total = max(done, self._done), total or self._total
        if phase != self._phase or done < self._done:
            self._points.clear()
        self._phase, self._done, self._total = phase, done, total
        now = time.monotonic()
        self._points.append((now, done))
        while now - self._points[0][0] > _WINDOW:
            self._points.popleft()

    def is_due(self) -> bool:
        """Tell whether it is time for a report."""
        return time.monotonic() >= self._next

    def told(self, seconds: float) -> None:
        """Note that a report was made, which took so long."""
        self._next = time.monotonic() + max(INTERVAL, _SHARE * seconds)

    def reading(self) -> Reading:
        """Return what there is to report."""
        (first, before), (last, done) = self._points[0], self._points[-1]
        rate = (done - before) / (last - first) if last > first else 0.0
        left = round((self._total - done) / rate, 1) if rate > 0 and self._total else None
        return Reading(self._phase, self._done, self._total, round(rate), left)
