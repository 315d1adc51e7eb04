"""Real servers on loopback, and a cache with a small real model in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from depthmap.cache import ModelCache
from depthmap.settings import Settings
from faults.servers import HostileServer
from support import sha256

MODEL = "my_custom_model"
TERMS = "CC-BY-NC-4.0"


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Path:
    """A cache that holds one imported model. Read only."""
    root = tmp_path_factory.mktemp("stocked")
    ModelCache(settings=Settings(cache_dir=root)).import_file(tiny_checkpoint, MODEL)
    return root


@pytest.fixture
def settings(tmp_path: Path, stocked: Path) -> Settings:
    """Settings with a cache of the test's own, and an export directory."""
    shutil.copytree(stocked, tmp_path / "cache")
    (tmp_path / "exports").mkdir()
    return Settings(cache_dir=tmp_path / "cache", export_dir=tmp_path / "exports", offline=True)


@pytest.fixture
def source(tiny_checkpoint: Path) -> Iterator[HostileServer]:
    """A server that has the checkpoint of the published model Small; it counts what it sends."""
    server = HostileServer(tiny_checkpoint)
    yield server
    server.stop()


@pytest.fixture
def online(settings: Settings, source: HostileServer, tiny_checkpoint: Path, tmp_path: Path) -> Settings:
    """Settings under which Small, and Other with the same bytes, come from that server."""
    common = {
        "network": "depthmap_tiny", "path": source.name, "base": source.url, "bytes": tiny_checkpoint.stat().st_size,
        "sha256": sha256(tiny_checkpoint), "input_size": 256, "resize": "upper_bound",
        "mean": [0.5] * 3, "std": [0.5] * 3,
    }  # fmt: skip
    names = ({"name": "Small"}, {"name": "Other"}, {"name": "Closed", "licence": TERMS, "terms": TERMS})
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"models": [{**common, **name} for name in names]}))
    return replace(settings, catalog=catalog, offline=False, retries=0)


class WebServer:
    """uvicorn with our application, in a thread, on a free port."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        import uvicorn

        from depthmap.web import create_app
        from depthmap.web.server import configure, listen

        self.app = create_app(settings, **options)
        self.cache_dir = settings.cache_dir
        self._sockets = listen("127.0.0.1", 0)
        self.port = self._sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.uvicorn = uvicorn.Server(configure(self.app, "127.0.0.1", self.port))
        self._thread = threading.Thread(
            target=self.uvicorn.run, kwargs={"sockets": self._sockets}, daemon=True
        )
        self._thread.start()
        while not self.uvicorn.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def stop(self) -> None:
        self.client.close()
        self.uvicorn.should_exit = True
        self._thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., WebServer]]:
    """Start servers; they stop with the test."""
    started: list[WebServer] = []

    def with_settings(settings: Settings, **options: Any) -> WebServer:
        started.append(WebServer(settings, **options))
        return started[-1]

    yield with_settings
    for server in started:
        server.stop()


@pytest.fixture
def server(start: Callable[..., WebServer], settings: Settings) -> WebServer:
    return start(settings)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[WebServer]:
    """A server for requests that change nothing; ``exports`` stands beside its cache."""
    root = tmp_path_factory.mktemp("shared")
    shutil.copytree(stocked, root / "cache")
    (root / "exports").mkdir()
    server = WebServer(Settings(cache_dir=root / "cache", export_dir=root / "exports", offline=True))
    yield server
    server.stop()


@contextmanager
def serving(options: str = "", **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``serve`` in a process of its own; give it and its URL, which its log says."""
    serve = f"from depthmap.web import serve\nserve(port=0, {options})"
    code = f"import sys\n{serve}\nprint('ended', 'torch' in sys.modules)"
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(
        command, env={**os.environ, **environment}, text=True, stdout=pipe, stderr=pipe
    ) as process:
        deadline = threading.Timer(120, process.kill)
        deadline.start()
        try:
            assert process.stderr
            urls = (re.search(r"answers on (http://[0-9.]+:\d+)", line) for line in process.stderr)
            yield process, next(match[1] for match in urls if match)
        finally:
            deadline.cancel()
            process.kill()


def contents(server: WebServer) -> list[Path]:
    """Return every model file that a server can see or write, exports too."""
    return sorted(
        path for path in server.cache_dir.parent.rglob("*") if path.suffix in (".pt", ".h5", ".pkl")
    )


def is_failure(reply: httpx.Response, status: int, error: str) -> bool:
    """Tell whether a reply is a failure in our words: JSON that says what, and the remedy."""
    fields = reply.json()
    said = (reply.status_code, fields["success"], fields["error"])
    assert said == (status, False, error), reply.text
    return bool(fields["message"] and fields["remedy"]) and "Traceback" not in reply.text
