"""A server that has imported everything once and forks a child for each injection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .shim import Orders

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    ``end`` is "done" (``value`` is what the operation returned), "failed" (``error`` is what it raised: class,
    message, where, remedy, ours), "killed" (by the shim), "hung" or "crashed". ``again`` is what a second run in the
    same process, after the fault had gone, ended with.
    """

    end: str
    value: Any = None
    error: Mapping[str, Any] = field(default_factory=dict)
    boundaries: int = 0
    again: Outcome | None = None
    status: int = 0
    stderr: str = ""

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Outcome:
        again = reply.get("again")
        return cls(**{**reply, "again": cls.of(again) if again else None})

    def done(self) -> Any:
        """Return the operation's value; anything but success is an error of the test."""
        assert self.end == "done", self.told()
        return self.value

    def told(self) -> str:
        """Say how it ended."""
        said = f": {self.error['class']}: {self.error['message']}" if self.error else ""
        return f"{self.end}{said} {self.stderr}".strip()


class ForkServer:
    """Runs named operations (`operations.OPERATIONS`) in children, one at a time."""

    def __init__(self, library: Path | None, stderr: Path) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DEPTHMAP_")},
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if library:
            environment["LD_PRELOAD"] = str(library)
        self._stderr = stderr
        with stderr.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faults.children", str(library or "")],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                text=True,
            )

    def run(
        self,
        operation: str,
        environment: Mapping[str, str],
        *,
        orders: Orders | None = None,
        again: bool = False,
        user: int = 0,
        umask: int = 0o022,
        largest_file: int = 0,
        seconds: float = 60.0,
        **arguments: Any,
    ) -> Outcome:
        """Run an operation in a child of its own and say how it ended.

        ``again``: if it raises, run it once more after the shim has stopped. ``user``: as whom (0: as we are).
        ``largest_file``: the limit of file sizes in bytes (0: none). After ``seconds`` the child hangs.
        """
        request = {
            "operation": operation,
            "arguments": arguments,
            "environment": dict(environment),
            "orders": asdict(orders) if orders else None,
            "again": again,
            "user": user,
            "umask": umask,
            "largest_file": largest_file,
            "seconds": seconds,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if not reply:
            raise RuntimeError(f"the fork server died: {self._stderr.read_text(errors='replace')[-2000:]}")
        return Outcome.of(json.loads(reply))

    def stop(self) -> None:
        """End the server."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
