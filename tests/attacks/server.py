"""``python -m attacks.server``: cases are worked off by forked processes, which are watched."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

from faults.sweep import spread

from . import ATTACKS, controls
from .doors import DOORS, LARGEST_FILE, TRACE, Site

SECONDS = 60.0
MEMORY = 1 << 30
"""Bytes of address space that a case may take beyond what the server has: mappings of files count."""

_BATCH = 100
"""Cases after which a process is replaced, so that none inherits much from those before it."""


class Case(NamedTuple):
    """One attack through one door: where it takes place, and the seconds it may take."""

    name: str
    root: Path
    action: Callable[[], None]
    seconds: float


def _attacks(root: Path) -> list[Case]:
    return [
        Case(f"{attack.name}, through {door}", root, partial(DOORS[door], Site(root, attack)), SECONDS)
        for attack in ATTACKS.values()
        for door in attack.doors
    ]


def _controls(root: Path) -> list[Case]:
    return [
        Case(name, root, partial(control, root), 2.0 if name in controls.ENDLESS else SECONDS)
        for name, control in controls.CONTROLS.items()
    ]


class _Worker:
    """A forked process that works through cases and says how each ended; it may die, hang, or be replaced."""

    def __init__(self, cases: list[Case]) -> None:
        here, there = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(here)
            _work(there, cases)
        os.close(there)
        self._pipe = here
        self._said = b""

    def outcome(self, seconds: float) -> str | None:
        """Return what the next case lost, or None."""
        while b"\n" not in self._said:
            if not select.select([self._pipe], [], [], seconds)[0]:
                self.stop()
                return f"it did not end in {seconds:.0f} s"
            if not (part := os.read(self._pipe, 1 << 16)):
                return f"the process died: {os.waitstatus_to_exitcode(self.stop())}"
            self._said += part
        line, _, self._said = self._said.partition(b"\n")
        return json.loads(line)

    def stop(self) -> int:
        """End the process, if it is still there, and return how it ended."""
        os.close(self._pipe)  # a process that has died has closed its end before this
        os.kill(self._pid, signal.SIGKILL)
        self._pid, status = 0, os.waitpid(self._pid, 0)[1]
        return status

    @property
    def alive(self) -> bool:
        """Tell whether it can be asked for the next case."""
        return bool(self._pid)


def _work(pipe: int, cases: list[Case]) -> NoReturn:
    try:
        _limit()
        environment = dict(os.environ)
        for case in cases:
            os.environ.clear()
            os.environ.update(environment)
            os.write(pipe, json.dumps(_judged(case)).encode() + b"\n")
    finally:
        os._exit(0)


def _judged(case: Case) -> str | None:
    """Run a case and return what was lost, or None."""
    shutil.rmtree(case.root, ignore_errors=True)
    case.root.mkdir(parents=True)
    lost = None
    try:
        case.action()
    except BaseException:
        lost = traceback.format_exc(limit=-4)[-3000:]
    return "code was run" if (case.root / TRACE).exists() else lost


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    for what, limit in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, resource.getrlimit(what)[1]))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the warnings about damaged files would drown the tests' own words
        os.dup2(null, stream)


def _outcomes(cases: list[Case]) -> Iterator[tuple[str, str | None]]:
    worker = None
    for number, case in enumerate(cases):
        if worker is None or not worker.alive or number % _BATCH == 0:
            if worker and worker.alive:
                worker.stop()
            worker = _Worker(cases[number:])
        yield case.name, worker.outcome(case.seconds)
    if worker and worker.alive:
        worker.stop()


def main(what: str, tmp: Path, sample: int | None) -> None:
    import torch

    from depthmap import networks

    torch.set_num_threads(1)
    for network in networks.NETWORKS:
        networks.expected_shapes(network)  # cached, so that not every case builds them
    cases = {"attacks": _attacks, "controls": _controls}[what](tmp / "site")
    for outcome in _outcomes(cases if sample is None else spread(cases, sample)):
        print(json.dumps(outcome), flush=True)
    shutil.rmtree(tmp / "site", ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
