"""Pushing attacks through doors, in processes that cannot do harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def run_all(tmp: Path, sample: int | None = None) -> Iterator[tuple[str, str | None]]:
    """Yield ("attack, through door", what was lost or None) for every attack and each of its doors, or for a sample."""
    return _run("attacks", tmp, *(() if sample is None else (sample,)))


def run_controls(tmp: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the same for what does lose something, to show that it would be seen."""
    return _run("controls", tmp)


def _run(what: str, tmp: Path, *sample: int) -> Iterator[tuple[str, str | None]]:
    """Ask a process that has all libraries loaded and no threads, so that it can be forked for each case."""
    command = [sys.executable, "-m", "attacks.server", what, *map(str, (tmp, *sample))]
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        for line in server.stdout:
            name, lost = json.loads(line)
            yield name, lost
    if server.returncode:
        raise RuntimeError(f"the attacks ended with {server.returncode}")
