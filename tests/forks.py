"""What scripts of the tests do that fork: a child that hangs is killed, and fails."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

LIMIT = 30
"""Seconds; a child takes one or two."""


def in_child(work: Callable[[], object]) -> None:
    """Do something in a forked child, which then ends as a program does; return when it has, else exit with why."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            raise
        sys.exit(0)
    await_end(pid)


def await_end(pid: int) -> None:
    """Wait for a child; kill it when it takes too long."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status:
                sys.exit(f"the child ended with {status}")
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    sys.exit("the child hung")
