"""Several server processes on one port. Each maps the same files of weights, which are in memory once.

The port is opened once, and each process takes connections from it. A process that dies is started again. All end with
the one that started them, however it ends: they see that its end of a pipe is closed.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from logging.config import dictConfig
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from fastapi import FastAPI

from ..engines.cores import usable_cores
from .server import Server, configure, listen, log_config, say_where

log = logging.getLogger("uvicorn.error")
_LOOK = 0.5  # seconds between two looks whether it is to end
_SOON = 5.0
"""Seconds: if all processes in a row live no longer, they cannot start, and others would fare no better."""

Make = Callable[[], FastAPI]


class Processes:
    """So many processes, each with an application of its own."""

    def __init__(
        self, make: Make, count: int, host: str, port: int, token: str = "", *, made: bool = False
    ) -> None:
        self.make = make
        self.host = host
        self.token = token
        self.made = made
        self.sockets = listen(host, port)
        self.port = self.sockets[0].getsockname()[1]
        self.cores = max(1, usable_cores() // count)
        self._spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads
        self._ending, self._held = self._spawn.Pipe(duplex=False)
        self._running: dict[SpawnProcess, float] = {}
        self._count = count
        self._failed = 0
        self._told = threading.Event()

    def run(self) -> None:
        """Serve until told to stop, or until a process cannot start."""
        dictConfig(log_config())
        before = {sig: signal.signal(sig, self._stop) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            for _ in range(self._count):
                self._start()
            say_where(self.host, self.port, self.token, made=self.made)
            while not self._told.is_set():
                self._replace_dead()
        finally:
            self._held.close()  # which tells all of them
            for process in self._running:
                process.join()
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told.set()

    def _start(self) -> None:
        arguments = (self.make, self.sockets, self.host, self.port, self.cores, self._ending)
        process = self._spawn.Process(target=work, args=arguments)
        process.start()
        self._running[process] = time.monotonic()

    def _replace_dead(self) -> None:
        wait([process.sentinel for process in self._running], timeout=_LOOK)
        for process in [process for process in self._running if not process.is_alive()]:
            lived = time.monotonic() - self._running.pop(process)
            if self._told.is_set():
                return
            self._failed = self._failed + 1 if lived < _SOON else 0
            if self._failed > self._count:
                log.error("server processes end as soon as they begin, with status %s", process.exitcode)
                self._told.set()
                return
            log.warning("a server process ended with status %s; another is started", process.exitcode)
            self._start()


def work(
    make: Make, sockets: list[socket.socket], host: str, port: int, cores: int, ending: Connection
) -> None:
    """Serve in a process of its own, until it is told to stop or the other end of ``ending`` is closed."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cores))  # engines ask for it: together they have all cores
    server = Server(configure(make(), host, port))

    def end_with_parent() -> None:
        with suppress(EOFError, OSError):
            ending.recv()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=sockets)
