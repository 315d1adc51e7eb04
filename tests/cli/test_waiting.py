"""Two processes ask for one model: one downloads, the other says that it waits, and takes the result."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.servers import Fault, HostileServer, Request
from support import sha256


class Gate(HostileServer):
    """A server that lets nobody have the file until the gate is opened."""

    def __init__(self, root: Path, name: str) -> None:
        self.asked, self.opened = threading.Event(), threading.Event()
        super().__init__(root, name=name)

    def begin(self, request: Request) -> Fault:
        """Hold the request back."""
        self.asked.set()
        self.opened.wait(60)
        return super().begin(request)


@pytest.fixture
def server(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    started = Gate(mirror, name="toy.pt")
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", started.url)
    yield started
    started.opened.set()
    started.stop()


# as where no engine is installed: what is downloaded is not compiled, which takes seconds
COMMAND = """
import sys
from depthmap.engines import ENGINES
sys.modules.update(dict.fromkeys(ENGINES))
from depthmap.cli import main
sys.exit(main())
"""


def download() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, "models", "download", "Toy", "--format", "pt"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_second_says_that_it_waits_and_uses_what_the_first_fetched(
    server: Gate, mirror: Path, tmp_path: Path
) -> None:
    first = download()
    assert server.asked.wait(60)
    second = download()
    assert second.stderr
    said = second.stderr.readline()
    assert said.startswith("Waiting for another process that downloads Toy")
    assert "%" in said
    server.opened.set()
    path = tmp_path / "cache" / "midas_toy.pt"
    for process in (first, second):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, f"{path}\n"), err
    assert len(server.gets()) == 1
    assert sha256(path) == sha256(mirror)
