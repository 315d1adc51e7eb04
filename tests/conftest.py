"""Fixtures: checkpoints of real layout, an empty cache, a real HTTP server."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from depthmap.catalog import CATALOG
from depthmap.checkpoints import expected_shapes
from support import GOLDENS, FileServer, save_checkpoint

CORE = (
    "batch", "cli", "fetching", "inspection", "web",
    "cache/test_adopt.py", "cache/test_budget.py", "cache/test_tidying.py",
    "test_docs.py", "test_end_to_end.py", "test_old_names.py", "test_one_view.py", "test_without_torch.py",
)  # fmt: skip
"""What is tested in an environment without torch: marked ``core``."""
TOOLS = ("benchmarks", "training")
"""What only developers run; its tests are marked ``slow``."""

settings.register_profile("depthmap", deadline=None)  # no test asserts a time
settings.load_profile("depthmap")


def _is_among(path: Path, parts: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(Path(__file__).parent / part) for part in parts)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of which no test is asked for: each process that shares the tests would, for some 20 seconds."""
    left_out = config.option.markexpr
    if not find_spec("torch"):
        holds_core = any((Path(__file__).parent / part).is_relative_to(collection_path) for part in CORE)
        return None if holds_core or _is_among(collection_path, CORE) else True
    if "not slow" in left_out and _is_among(collection_path, TOOLS):
        return True
    return True if "not core" in left_out and _is_core_alone(collection_path) else None


def _is_core_alone(path: Path) -> bool:
    return path.is_file() and _is_among(path, CORE) and "pytest.mark.extra" not in path.read_text("utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs no torch, nor any other extra; and the tests of tools."""
    for item in items:
        if _is_among(item.path, CORE) and not item.get_closest_marker("extra"):
            item.add_marker("core")
        if _is_among(item.path, TOOLS):
            item.add_marker("slow")


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
            save_checkpoint(
                {name: synthetic.tensor(name, *kind) for name, *kind in synthetic.layout(model)}, path
            )
            made[model] = path
        return made[model]

    return get


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real checkpoint: the embedded model's network, with other numbers."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("tiny") / "tiny.pt"
    shapes = expected_shapes("depthmap_tiny")
    save_checkpoint({name: _random(name, shape, random) for name, shape in shapes.items()}, path)
    return path


def _random(name: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray[Any, Any]:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = random.normal(0, 0.1, shape).astype(np.float32)
    positive = name.endswith(("running_var", "bn1.weight", "output_conv.4.weight"))
    return abs(noise) + np.float32(0.5) if positive else noise


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
