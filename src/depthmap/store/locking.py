"""The writers' lock of a model: one holder at a time, over threads and processes, gone with its holder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CacheBusy
from .commit import writing

_POLL = 0.25
# The lock files hold nothing. In a cache that several users share, each must be able to open them.
_MODE = 0o666


def claim(path: Path) -> Callable[[], None] | None:
    """Take the lock at ``path`` if nobody has it; return what lets it go, from whatever thread, or None.

    Raises
    ------
    CacheNotWritable
        When the lock's file cannot be made.
    """
    import filelock

    lock = filelock.FileLock(path, mode=_MODE, thread_local=False)
    try:
        with writing(path.parent):
            lock.acquire(blocking=False)
    except filelock.Timeout:
        return None
    return lock.release


@contextmanager
def held(path: Path, timeout: float, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock at ``path``; a thread that holds it may take it again.

    Parameters
    ----------
    timeout : float
        Seconds to wait for another holder.
    waiting : callable, optional
        Called several times a second while another holds it; what it raises ends the wait.

    Raises
    ------
    CacheBusy
        When it cannot be had within the time-out.
    CacheNotWritable
        When the lock's file cannot be made.
    """
    import filelock

    lock = filelock.FileLock(path, is_singleton=True, mode=_MODE)
    end = time.monotonic() + timeout
    while True:
        try:
            with writing(path.parent):
                lock.acquire(timeout=max(0.0, min(_POLL, end - time.monotonic())), poll_interval=0.02)
            break
        except filelock.Timeout as error:
            if time.monotonic() >= end:
                raise CacheBusy(
                    f"another process is writing {path.stem}",
                    path.parents[1],
                    "Wait for it to end, or raise DEPTHMAP_TIMEOUT (seconds).",
                ) from error
            if waiting:
                waiting()
    try:
        yield
    finally:
        lock.release()
