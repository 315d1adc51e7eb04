"""How the server is: what is loaded, what waits, figures for Prometheus, alive, ready; models come and go."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from depthmap.cache import ModelCache
from depthmap.settings import Settings
from depthmap.web.loaded import LoadedModels

from .conftest import MODEL, WebServer, is_failure
from .uploading import PREDICT, picture, send, values

TINY = "Depthmap_Tiny"


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_status_says_what_is_loaded_and_what_waits(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, memory=8 * 10**9, queue=7))
    before = server.client.get("/api/status").json()
    assert (before["loaded"], before["device"]) == ([], None)
    send(server, model=MODEL)
    send(server)
    now = server.client.get("/api/status").json()
    assert {(one["model"], one["default"]) for one in now["loaded"]} == {(MODEL, False), (TINY, True)}
    assert all(one["engine"] and one["idle_seconds"] >= 0 for one in now["loaded"])
    assert now["memory"] == {
        "limit_bytes": 8 * 10**9,
        "used_bytes": sum(one["bytes"] for one in now["loaded"]),
    }
    assert now["queue"] == {"waiting": 0, "running": 0, "limit": 7}
    assert (now["device"], now["health"]) == ("cpu", "good")
    assert now["uptime_seconds"] > 0


def test_the_server_is_alive_before_its_model_is_ready(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(settings)
    assert server.client.get("/api/healthz").json() == {"success": True}
    assert is_failure(server.client.get("/api/readyz"), 503, "NotReady")
    send(server)
    assert server.client.get("/api/readyz").json() == {"success": True}


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+')


def test_metrics_are_in_the_format_of_prometheus(start: Callable[..., WebServer], settings: Settings) -> None:
    server = start(settings)
    data = picture()
    for query in ({}, {"outputs": "npy"}, {"size": "1"}):
        send(server, data, **query)
    reply = server.client.get("/api/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    described: set[str] = set()
    figures: dict[str, float] = {}
    for line in reply.text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split(" ")[2])
        elif not line.startswith("#"):
            assert SAMPLE.fullmatch(line), line
            name, value = line.rsplit(" ", 1)
            figures[name] = float(value)
            assert re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0]) in described or (
                name.partition("{")[0] in described
            )
    assert figures['depthmap_predictions_total{status="200"}'] == 2
    assert figures['depthmap_predictions_total{status="422"}'] == 1
    assert figures['depthmap_step_seconds_count{step="predict"}'] == 2
    assert figures['depthmap_step_seconds_bucket{step="write",le="+Inf"}'] == 2
    assert figures["depthmap_queue_limit"] == settings.queue
    assert figures["depthmap_results_bytes"] > 0


def test_a_hundred_at_once_are_answered_or_told_when_to_come_again(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, queue=4))
    send(server)
    together = threading.Barrier(100)

    def ask(number: int) -> httpx.Response:
        data = picture(160, 120, seed=number)
        together.wait()
        return httpx.post(server.url + PREDICT, content=data, timeout=120, trust_env=False)

    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(ask, range(100)))
    refused = [reply for reply in replies if reply.status_code == 503]
    assert {reply.status_code for reply in replies} == {200, 503}
    assert all(is_failure(reply, 503, "QueueFull") for reply in refused)
    assert all(1 <= int(reply.headers["retry-after"]) <= 60 for reply in refused)
    figures = server.client.get("/api/metrics").text
    assert f'depthmap_predictions_total{{status="503"}} {len(refused)}' in figures


def three_models(settings: Settings, **changed: object) -> LoadedModels:
    for name in ("one", "two"):
        for format in ("pt", "h5", "pkl"):
            shutil.copy(
                settings.cache_dir / f"midas_{MODEL}.{format}", settings.cache_dir / f"midas_{name}.{format}"
            )
    return LoadedModels(ModelCache(settings=replace(settings, **changed)))


def loaded(models: LoadedModels) -> set[str]:
    return {held.spec.name for held in models}


def test_the_least_recently_used_model_makes_room(settings: Settings) -> None:
    models = three_models(settings)
    room = models.get(MODEL).spec.memory + models.get(TINY).spec.memory
    models.limit = room
    models.get(MODEL)
    models.get("one")
    assert loaded(models) == {MODEL, "one"}
    assert models.used <= room
    models.limit = 1
    models.get("two")
    assert loaded(models) == {"two"}, "one may always be loaded"


def test_who_is_not_asked_for_goes_and_the_default_model_stays(settings: Settings) -> None:
    for seconds, left in ((0, {TINY}), (3600, {TINY, MODEL}), (-1, {TINY, MODEL})):
        models = three_models(settings, keep_alive=seconds)
        models.get()
        models.get(MODEL)
        models.sweep()
        assert loaded(models) == left


def test_a_model_that_is_not_kept_is_gone_after_its_prediction(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, keep_alive=0))
    assert values(send(server, outputs="npy", model=MODEL)).shape == (48, 64)
    until(lambda: server.client.get("/api/status").json()["loaded"] == [])


def test_a_client_that_goes_away_while_it_waits_is_not_worked_for(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    import socket

    server = start(settings)
    send(server)
    queue = server.app.state.predictor.queue
    body = picture(seed=2)
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    models: LoadedModels = server.app.state.models
    with ThreadPoolExecutor(1) as pool:
        with models._lock:  # so the one whose turn it is stays at it
            first = pool.submit(send, server, picture(seed=1))
            until(lambda: queue.running == 1)
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head + body)
                until(lambda: len(queue._pending) == 1)
            until(lambda: len(queue._pending) == 0)
            assert queue.waiting == 0
        assert first.result().status_code == 200
    until(lambda: "depthmap_predictions_left_total 1" in server.client.get("/api/metrics").text)


def test_who_waits_when_the_server_is_stopped_is_told_so(server: WebServer) -> None:
    server.uvicorn.config.timeout_graceful_shutdown = 1
    send(server)
    queue, models = server.app.state.predictor.queue, server.app.state.models
    with ThreadPoolExecutor(2) as pool, models._lock:
        first = pool.submit(send, server, picture(seed=1))
        until(lambda: queue.running == 1)
        second = pool.submit(send, server, picture(seed=2), size=64)
        until(lambda: len(queue._pending) == 1)
        server.uvicorn.should_exit = True
        assert is_failure(second.result(), 503, "ServerStopped")
        assert is_failure(first.result(), 503, "ServerStopped")


def test_the_examples_of_the_guide_work(shared: WebServer, tmp_path: Path) -> None:
    import subprocess

    from support import PHOTO

    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    guide = (Path(__file__).parents[2] / "docs" / "web-api.md").read_text(encoding="utf-8")
    section = guide[guide.index("\n## Predict") : guide.index("\n## Serving")]
    lines = re.findall(r"^curl .*$", section, re.MULTILINE)
    assert len(lines) >= 12
    send(shared)  # so it is ready
    for line in lines:
        command = line.replace("localhost:5000", f"localhost:{shared.port}").replace("curl ", "curl -sSf ", 1)
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    made = {path.name: path.read_bytes()[:4] for path in tmp_path.iterdir() if path.suffix != ".jpg"}
    assert made == {
        "depth.png": b"\x89PNG",
        "depth.npy": b"\x93NUM",
        "mesh.glb": b"glTF",
        "depth.zip": b"PK\x03\x04",
        "metres.tiff": b"II*\0",
    }
