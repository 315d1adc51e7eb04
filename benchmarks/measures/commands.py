"""How long the commands take that need no model."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from ..bench import Bench, clean
from ..processes import LIMIT, until_end
from ..series import Series, alternate, series
from .imports import ALONE

LIST = "depthmap models list --json"
SERVE = "depthmap serve"
PROGRAM = str(Path(sys.executable).with_name("depthmap"))
_TURNS = 4
"""Times as many rounds, since one takes a tenth of a second."""


def listing(bench: Bench) -> list[Series]:
    """Measure ``depthmap models list --json`` beside an empty ``python -c pass``."""
    environment = clean() | _small(bench)
    turns = {
        LIST: partial(until_end, (PROGRAM, "models", "list", "--json"), environment),
        ALONE: partial(until_end, (sys.executable, "-c", "pass"), environment),
    }
    alternate(turns, 1)
    return series("command", "", alternate(turns, _TURNS * bench.rounds))


def serving(bench: Bench) -> list[Series]:
    """Measure how long after its start ``depthmap serve`` answers; it has a model in its cache."""
    turns = {SERVE: partial(_until_answer, clean() | _small(bench))}
    alternate(turns, 1)
    return series("command", "", alternate(turns, bench.rounds))


def _small(bench: Bench) -> dict[str, str]:
    """Return where the cache is: that of the smallest published model, if there is one."""
    published = [made for made in bench.material.values() if made.pt_cache.exists()]
    return (published or list(bench.material.values()))[-1].environment


def _until_answer(environment: dict[str, str]) -> float:
    """Start the server; return the seconds until it answers. It is gone when this returns."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    command = [PROGRAM, "serve", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet) as server:
        try:
            while not _answers(port):
                if server.poll() is not None or time.perf_counter() - start > LIMIT:
                    raise RuntimeError(f"{' '.join(command)} does not answer")
                time.sleep(0.002)
            return time.perf_counter() - start
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("GET", "/api/models/status")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
