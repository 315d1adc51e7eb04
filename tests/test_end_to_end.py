"""The life of each published model, at full size, from a real HTTP server: by command line, Python and HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from support import PHOTO, FileServer, sha256, write_catalog

ROOT = Path(__file__).parents[1]
MODELS = [
    "MiDaS_small",
    pytest.param("DPT_Hybrid", marks=pytest.mark.slow),
    pytest.param("MiDaS", marks=pytest.mark.slow),
    pytest.param("DPT_Large", marks=pytest.mark.slow),
]


@pytest.fixture
def server(serve: Callable[[Path], FileServer], checkpoint: Callable[[str], Path]) -> FileServer:
    return serve(checkpoint("MiDaS_small").parents[1])


@pytest.fixture
def online(
    model: str,
    server: FileServer,
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Settings under which ``model`` is downloaded from the server; gives the published file."""
    published = checkpoint(model)
    monkeypatch.setenv(
        "DEPTHMAP_CATALOG", str(write_catalog(tmp_path / "catalog.json", **{model: published}))
    )
    monkeypatch.setenv("DEPTHMAP_MIRRORS", server.url)
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    return published


def run(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, cwd=os.environ["DEPTHMAP_CWD"]
    )
    assert done.returncode == code, done.stderr
    return done


def depthmap(*arguments: str, code: int = 0) -> Any:
    """Run the command with --json and return what it printed."""
    return json.loads(run(sys.executable, "-m", "depthmap", *arguments, "--json", code=code).stdout)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHMAP_CWD", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def web() -> Iterator[httpx.Client]:
    """`python app.py` on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "depthmap", "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        for _ in range(300):
            try:
                client.get("/api/models/cache/info")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield client
    process.terminate()
    assert process.wait(30) is not None


@pytest.mark.parametrize("model", MODELS)
def test_the_life_of_a_model(
    model: str,
    online: Path,
    server: FileServer,
    directory: Path,
    web: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slug = model.lower()
    path = directory / "cache" / f"midas_{slug}.pt"

    # downloaded by the command line: the published bytes, an .h5, a .pkl, and one request
    depthmap("models", "download", "--model", model)
    assert sha256(path) == sha256(online)
    assert [line.rsplit("/", 1)[-1] for line in server.requests] == [online.name]
    assert path.with_suffix(".h5").stat().st_size <= 1.01 * path.stat().st_size

    # listed by all three, from here on without the network
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "1")
    listed = depthmap("models", "list", "--format", "h5")
    from depthmap.utils.model_manager import get_model_manager

    manager = get_model_manager()
    assert slug in json.dumps(listed)
    assert manager.is_model_cached(slug, format="pt")
    info = web.get("/api/models/cache/info").json()
    assert info["success"]
    assert info["models"] == manager.get_cache_info()["models"]
    assert set(info["models"][slug]["formats"]) == {"pt", "h5", "engine.onnx", "pkl"}

    # exported over HTTP, imported under another name by Python, predicted with by the command line
    reply = web.post(f"/api/models/export/{model}", json={"export_path": "./out.h5", "format": "h5"})
    assert reply.json()["success"], reply.text
    assert manager.import_model(str(directory / "out.h5"), "my_custom_model")
    (directory / "out.h5").unlink()
    for name in (model, "my_custom_model"):
        depthmap("predict", str(PHOTO), "--model", name, "-o", str(directory / name), "--output", "npy")
    theirs, mine = (np.load(next((directory / name).glob("*.npy"))) for name in (model, "my_custom_model"))
    assert theirs.shape == (427, 640)
    assert theirs.std() > 0
    assert np.allclose(theirs, mine, atol=1e-4 * theirs.max())  # an engine ran one, torch the other

    # optimised and cleared
    assert depthmap("models", "optimize")["files_removed"] == 0
    depthmap("models", "clear", "--model", "my_custom_model")
    assert web.post("/api/models/cache/clear", json={"confirm": True}).json()["success"]
    assert manager.get_cache_stats()["total_models"] == 0


def test_offline_the_embedded_model_does_the_main_job(directory: Path) -> None:
    done = run(sys.executable, "-m", "depthmap", "predict", str(PHOTO), "-o", str(directory / "out"))
    paths = [Path(line) for line in done.stdout.split("\n") if line]
    assert all(path.exists() for path in paths)
    assert len(paths) >= 2
    assert "Depthmap_Tiny" in done.stderr
    assert not (directory / "cache").exists()
