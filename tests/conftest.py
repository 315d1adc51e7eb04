"""What many tests need: checkpoints of real layout, an empty cache, a real HTTP server."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from depthmap.catalog import CATALOG

DATA = Path(__file__).parent / "data"
GOLDENS = DATA / "goldens"
PHOTO = Path(__file__).parents[1] / "examples" / "china.jpg"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the user's cache, settings, or torch.hub's files."""
    for variable in [name for name in os.environ if name.startswith("DEPTHMAP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEPTHMAP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The script that makes full-size checkpoints whose reference outputs are in the goldens."""
    spec = importlib.util.spec_from_file_location("synthetic_checkpoint", GOLDENS / "synthetic_checkpoint.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Callable[[str], Path]:
    """Give the path of a published model's stand-in, as ``.pt``, of full size; made once a session. Read only."""
    made: dict[str, Path] = {}
    root = tmp_path_factory.mktemp("published")

    def get(model: str) -> Path:
        if model not in made:
            path = root / CATALOG[model.lower()].path
            path.parent.mkdir(exist_ok=True)
            synthetic.main(model, path)
            made[model] = path
        return made[model]

    return get


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real checkpoint: the embedded model's network, with other numbers."""
    import torch

    from depthmap import networks

    generator = torch.Generator().manual_seed(0)
    shapes = networks.expected_shapes("depthmap_tiny")
    path = tmp_path_factory.mktemp("tiny") / "tiny.pt"
    torch.save({name: _random(name, shape, generator) for name, shape in shapes.items()}, path)
    return path


def _random(name: str, shape: tuple[int, ...], generator: Any) -> Any:
    import torch

    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    noise = torch.randn(shape, generator=generator) * 0.1
    return (
        noise.abs() + 0.5 if name.endswith(("running_var", "bn1.weight", "output_conv.4.weight")) else noise
    )


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_catalog(path: Path, **models: Path) -> Path:
    """Write a catalogue file that gives these models these files' sizes and digests."""
    entries = [{"name": n, "bytes": p.stat().st_size, "sha256": sha256(p)} for n, p in models.items()]
    path.write_text(json.dumps({"models": entries}))
    return path


class _Handler(SimpleHTTPRequestHandler):
    requests: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()


class FileServer:
    """A real HTTP server on loopback that serves a folder and notes what was asked."""

    def __init__(self, root: Path) -> None:
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"requests": self.requests})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root)))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Path], FileServer]]:
    """Start file servers; they stop with the test."""
    started: list[FileServer] = []

    def start(root: Path) -> FileServer:
        started.append(FileServer(root))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))
