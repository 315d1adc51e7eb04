"""Processes that are timed: from their start, or step by step in one that goes on."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

LIMIT = 600
"""Seconds after which a process counts as hanging."""


class Failed(Exception):
    """A process did not do what it was told; the message has the end of its words."""


class Process:
    """A process whose lines are awaited. Left as a context, it is gone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.command = command
        self.words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.words,
            env=dict(environment),
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.stdout:
            self.process.stdout.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.words.close()

    def line(self) -> str:
        """Wait for a line."""
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return line.strip()
        self.words.seek(0)
        raise Failed(f"{' '.join(self.command)}\n{self.words.read().decode(errors='replace')[-2000:]}")

    def step(self, name: str) -> float:
        """Tell a step, and return the seconds that it took; see ``scripts/driver.py``."""
        assert self.process.stdin
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return float(self.line())


def until_line(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Start a process; return the seconds until its first line. It has ended when this returns."""
    with Process(command, environment) as process:
        process.line()
        return time.perf_counter() - process.started


def until_end(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Start a process; return the seconds until it has ended.

    Raises
    ------
    Failed
        When it ends with another status than 0.
    """
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=LIMIT,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return seconds
