"""The server as a process: light to import, no torch, quiet on stdout, ends when told."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from depthmap.errors import DepthmapError, UsageError
from depthmap.settings import Settings
from depthmap.web import create_app, serve
from depthmap.web.server import listen
from support import python

from .conftest import MODEL, serving


def test_importing_the_module_loads_no_framework() -> None:
    heavy = "{'fastapi', 'starlette', 'uvicorn', 'torch', 'numpy', 'depthmap.cache'}"
    done = python(f"import sys, depthmap.web; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


def test_an_application_is_made_without_numpy_or_an_engine(tmp_path: Path) -> None:
    """So the port is open soon; what predicts is loaded behind it."""
    heavy = "{'numpy', 'PIL', 'h5py', 'torch', 'onnxruntime', 'openvino'}"
    code = "import sys; from depthmap.web import create_app; create_app()"
    done = python(f"{code}; print(sorted({heavy} & set(sys.modules)))", DEPTHMAP_CACHE_DIR=str(tmp_path))
    assert done.stdout.strip() == "[]", done.stderr


def test_a_served_cache_needs_no_torch_and_ends_on_control_c(settings: Settings) -> None:
    places = {"DEPTHMAP_CACHE_DIR": str(settings.cache_dir), "DEPTHMAP_EXPORT_DIR": str(settings.export_dir)}
    with serving(**places) as (process, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.get("/api/models/status").status_code == 200
            assert client.get("/api/models/cache/info").json()["total_files"] == 3
            assert client.post(f"/api/models/export/{MODEL}", json={"export_path": "x.pt"}).status_code == 200
            assert client.post("/api/models/cache/optimize").status_code == 200
            assert client.post("/api/models/cache/clear", json={"confirm": True}).status_code == 200
        process.send_signal(signal.SIGINT)
        out, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == "ended False\n"
    assert "POST /api/models/cache/optimize" in log
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_an_error_with_a_remedy() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UsageError, match="Choose another port"),
    ):
        serve(port=taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "port"), [("203.0.113.1", 5000), ("no such host", 5000), ("127.0.0.1", 70_000)]
)
def test_an_address_that_cannot_be_listened_on_is_an_error_with_a_remedy(host: str, port: int) -> None:
    with pytest.raises(UsageError) as caught:
        serve(host, port)
    assert caught.value.remedy


def test_localhost_is_listened_on() -> None:
    sockets = listen("localhost", 0)
    try:
        with socket.create_connection(sockets[0].getsockname()[:2], timeout=10):
            pass
    finally:
        for opened in sockets:
            opened.close()


def test_a_catalogue_that_cannot_be_used_stops_the_server(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text("{}")
    with pytest.raises(UsageError, match="DEPTHMAP_CATALOG"):
        create_app(Settings(cache_dir=tmp_path, catalog=tmp_path / "catalog.json"))


def test_every_error_has_a_status() -> None:
    from depthmap.web.replies import status_of

    def tree(error: type[DepthmapError]) -> list[type[DepthmapError]]:
        return [error, *(below for base in error.__subclasses__() for below in tree(base))]

    statuses = {error.__name__: status_of(error("what")) for error in tree(DepthmapError)}
    assert statuses["UnknownModel"] == 404
    assert statuses["InsufficientDiskSpace"] == 507
    assert statuses["CacheNotWritable"] == statuses["ModelFileCorrupted"] == 500
    assert statuses["DigestMismatch"] == 502
    assert all(400 <= status < 600 for status in statuses.values())


def test_several_processes_answer_on_one_port_and_end_together(settings: Settings) -> None:
    places = {"DEPTHMAP_CACHE_DIR": str(settings.cache_dir)}
    with serving("workers=2", **places) as (process, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.get("/api/healthz").status_code == 200
            workers = children_of(process.pid)
            assert len(workers) >= 2
            os.kill(workers[-1], signal.SIGKILL)
            wait_until(lambda: not is_ours(workers[-1]))  # what it has accepted dies with it
            for _ in range(20):
                with httpx.Client(base_url=url, trust_env=False, timeout=60) as another:
                    assert another.get("/api/status").json()["queue"]["limit"] == 32
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("ended")
    assert "Traceback" not in log
    assert not [worker for worker in workers if Path(f"/proc/{worker}/cmdline").exists() and is_ours(worker)]


def test_processes_end_when_the_one_that_started_them_is_killed(settings: Settings) -> None:
    with serving("workers=2", DEPTHMAP_CACHE_DIR=str(settings.cache_dir)) as (process, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.get("/api/healthz").status_code == 200
        workers = children_of(process.pid)
        process.kill()
        wait_until(lambda: not any(is_ours(worker) for worker in workers))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started, and that serve."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if is_ours(int(child))]


def is_ours(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
