"""The command line in this process, and a model that it can download."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from depthmap.catalog import EMBEDDED
from depthmap.cli import main
from depthmap.engines import ENGINES
from support import sha256


@dataclass
class Done:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout, as the one JSON document that it is."""
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command line, given as strings and paths, in this process."""

    def call(*args: object, command: str = "") -> Done:
        capsys.readouterr()
        status = main([str(arg) for arg in args], command=command)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    yield call
    log = logging.getLogger("depthmap")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)


@pytest.fixture
def mirror(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file:// mirror of a small published model, Toy; it is the checkpoint's path."""
    published = tmp_path / "mirror" / "toy.pt"
    published.parent.mkdir()
    published.symlink_to(tiny_checkpoint)
    toy = {
        **EMBEDDED.to_dict(),
        "name": "Toy",
        "embedded": "",
        "path": "v0/toy.pt",
        "base": "https://models.invalid/",
        "bytes": tiny_checkpoint.stat().st_size,
        "sha256": sha256(tiny_checkpoint),
        "hub_names": ["toy-hub.pt"],
        "group": "",
    }
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [toy]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", published.parent.as_uri())
    return published


@pytest.fixture
def no_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no engine is installed: what is downloaded is not compiled, which takes seconds."""
    for engine in ENGINES:
        monkeypatch.setitem(sys.modules, engine, None)


@pytest.fixture
def mine(run: Run, tiny_checkpoint: Path) -> str:
    """The name of an imported model."""
    assert run("models", "import", "--input", tiny_checkpoint, "--name", "mine").status == 0
    return "mine"
