"""The curl lines of the guide work as they are written there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from depthmap.cache import ModelCache
from depthmap.settings import Settings

from .conftest import WebServer

GUIDE = Path(__file__).parents[2] / "docs" / "web-api.md"
pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


def blocks(heading: str) -> list[str]:
    """Return the shell examples of a section that ask the server of the guide."""
    section = GUIDE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [block for block in found if "localhost:5000" in block]


def run(blocks: list[str], server: WebServer, folder: Path, **environment: str) -> str:
    """Run examples in one shell, which stops at the first that fails: also for an answer that says so."""
    text = "".join(blocks).replace("http://localhost:5000", f"http://localhost:{server.port}")
    script = (
        f'set -e -o pipefail\ncurl() {{ command curl --fail-with-body --noproxy "*" "$@"; echo; }}\n{text}'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def published(online: Settings, tiny_checkpoint: Path, tmp_path: Path) -> Settings:
    """Settings under which the models of the guide are small; a checkpoint lies in the current folder."""
    assert online.catalog
    entry = json.loads(online.catalog.read_text())["models"][0]
    models = [{**entry, "name": name} for name in ("DPT_Large", "DPT_Hybrid")]
    online.catalog.write_text(json.dumps({"models": models}))
    (tmp_path / "work").mkdir()
    shutil.copy(tiny_checkpoint, tmp_path / "work" / "finetuned.pt")
    return online


def test_the_examples_about_models(
    start: Callable[..., WebServer], published: Settings, tmp_path: Path
) -> None:
    ModelCache(settings=published).download("DPT_Large")
    said = run(blocks("Models"), start(published), tmp_path / "work")
    assert said.count('"success": true') == 7
    assert (tmp_path / "work" / "DPT_Large.safetensors").stat().st_size > 1_000_000
    assert not ModelCache(settings=published).is_cached("mine")


def test_the_examples_about_downloads(
    start: Callable[..., WebServer], published: Settings, tmp_path: Path
) -> None:
    assert len(blocks("Downloads")) == 2
    said = run(blocks("Downloads"), start(published), tmp_path / "work")
    *_, last = (line for line in said.splitlines() if line.startswith("data: "))
    assert '"state": "done"' in last
    assert ModelCache(settings=published).is_cached("DPT_Hybrid")


def test_the_examples_about_the_token(
    start: Callable[..., WebServer], settings: Settings, tmp_path: Path
) -> None:
    server = start(replace(settings, token="some-long-token"), token="some-long-token")
    said = run(blocks("Who may ask"), server, tmp_path, DEPTHMAP_TOKEN="some-long-token")
    assert said.count('"success": true') == 3
