"""How many cores this process may use. Libraries count the machine's, and in a container start far too many threads."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MOST_CALLERS = 4
"""Threads that run a network at once at most: each picture under way takes memory for its activations."""
_callers: ContextVar[int] = ContextVar("callers", default=1)


@contextmanager
def shared_by(callers: int) -> Iterator[None]:
    """Let what is opened here be run by so many threads at once: each run takes its share of the cores.

    A core that does nothing but one picture has nobody to wait for, so many pictures are done sooner.
    """
    token = _callers.set(callers)
    try:
        yield
    finally:
        _callers.reset(token)


def callers() -> int:
    """Return how many threads are to run a network that many pictures wait for; `DepthEstimator` is to be told."""
    return min(_MOST_CALLERS, usable_cores())


def runs_at_once() -> int:
    """Return how many runs there will be at once of what is opened now, and no more than there are cores."""
    return max(1, min(_callers.get(), usable_cores()))


def usable_cores() -> int:
    """Return the cores that this process may use: ``OMP_NUM_THREADS`` if set, else those that the system grants.

    That is the least of the machine's, those it is pinned to, and the quota of its control group (a container's
    ``--cpus``), rounded up; hyper-threads count as cores.
    """
    with suppress(ValueError):
        if (asked := int(os.environ.get("OMP_NUM_THREADS", "0").split(",")[0])) > 0:
            return asked
    return max(1, math.ceil(min(_granted(), quota(_CGROUP))))


def _granted() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(root: Path) -> float:
    """Return the processors' worth of time that a control group grants, infinite where it sets no limit.

    Version 2 has ``cpu.max`` ("MICROSECONDS PERIOD", or "max"), version 1 two files (kernel.org, cgroup-v2.rst).
    """
    with suppress(OSError, ValueError, ZeroDivisionError):
        allowed, period = (root / "cpu.max").read_text().split()
        return math.inf if allowed == "max" else int(allowed) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        allowed_us = int((root / "cpu/cpu.cfs_quota_us").read_text())
        period_us = int((root / "cpu/cpu.cfs_period_us").read_text())
        return math.inf if allowed_us <= 0 else allowed_us / period_us
    return math.inf
