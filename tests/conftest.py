"""Fixtures: checkpoints of real layout, an empty cache, a real HTTP server."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from depthmap.catalog import CATALOG
from support import GOLDENS, FileServer

settings.register_profile("depthmap", deadline=None)  # no test asserts a time
settings.load_profile("depthmap")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C, and so would be all that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
