"""Many clients at once: nobody waits for another's long work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import httpx

from depthmap.cache import ModelCache
from depthmap.settings import Settings

from .conftest import MODEL, WebServer, is_failure

INFO, STATUS, CLEAR = "/api/models/cache/info", "/api/models/status", "/api/models/cache/clear"


def test_a_hundred_requests_at_once_are_all_answered(server: WebServer) -> None:
    together = threading.Barrier(100)

    def ask(number: int) -> httpx.Response:
        together.wait()
        return server.client.get(INFO if number % 2 else STATUS)

    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(ask, range(100)))
    assert {reply.status_code for reply in replies} == {200}
    assert all(reply.json()["success"] is True for reply in replies)


def test_questions_are_answered_while_long_work_waits(server: WebServer, settings: Settings) -> None:
    """More clears than there are threads of any kind wait for a lock; info and status answer all the same."""
    with ThreadPoolExecutor(45) as pool:
        with ModelCache(settings=settings).shelf.store.lock(MODEL):
            waiting: list[Future[httpx.Response]] = [
                pool.submit(
                    httpx.post, server.url + CLEAR, json={"confirm": True}, timeout=60, trust_env=False
                )
                for _ in range(45)
            ]
            for _ in range(20):
                assert server.client.get(INFO).json()["total_files"] == 3
                assert server.client.get(STATUS).status_code == 200
            assert not any(future.done() for future in waiting)
        removed = sum(future.result().json()["files_removed"] for future in waiting)
    assert removed == 3


def test_a_lock_that_is_held_too_long_is_answered_with_when_to_try_again(
    start: Callable[..., WebServer], settings: Settings
) -> None:
    server = start(replace(settings, timeout=0.2))
    with ModelCache(settings=settings).shelf.store.lock(MODEL):
        reply = server.client.post(CLEAR, json={"confirm": True})
    assert is_failure(reply, 503, "CacheBusy")
    assert reply.headers["retry-after"].isdecimal()


def test_questions_are_answered_while_the_cache_changes(server: WebServer, settings: Settings) -> None:
    """Files come and go between a listing and a look at each: that is no fault of the asker."""
    cache, stop = ModelCache(settings=settings), threading.Event()
    source = cache.shelf.store.path(MODEL, "pt").read_bytes()
    statuses: set[int] = set()

    def churn() -> None:
        while not stop.is_set():
            for slug in ("one", "two", "three"):
                for format in ("pt", "h5", "pkl"):
                    cache.shelf.store.path(slug, format).write_bytes(source[:100])
            for slug in ("one", "two", "three"):
                cache.shelf.store.remove(slug)

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(40):
            statuses |= {server.client.get(INFO).status_code, server.client.get(STATUS).status_code}
    finally:
        stop.set()
        worker.join()
    assert statuses == {200}


def test_of_two_exports_to_one_new_file_one_is_made(server: WebServer, settings: Settings) -> None:
    together = threading.Barrier(4)

    def export(_: int) -> httpx.Response:
        together.wait()
        body = {"export_path": "same.safetensors"}
        return server.client.post(f"/api/models/export/{MODEL}", json=body)

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(reply.status_code for reply in pool.map(export, range(4)))
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 503}
    assert settings.export_dir
    assert [path.name for path in settings.export_dir.iterdir()] == ["same.safetensors"]


def test_who_waits_when_the_server_is_stopped_is_told_so(server: WebServer, settings: Settings) -> None:
    server.uvicorn.config.timeout_graceful_shutdown = 1
    with ThreadPoolExecutor(1) as pool, ModelCache(settings=settings).shelf.store.lock(MODEL):
        waiting = pool.submit(server.client.post, CLEAR, json={"confirm": True})
        while not server.uvicorn.server_state.tasks:
            time.sleep(0.01)
        server.uvicorn.should_exit = True
        assert is_failure(waiting.result(), 503, "ServerStopped")
