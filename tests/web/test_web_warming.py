"""The default model: loaded once, behind the server, and never at its cost; others within a budget of memory."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
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
from depthmap.web.warming import Warming
from support import python

from .conftest import MODEL, WebServer


def until(state: str, asked: Callable[[], str]) -> str:
    """Ask until this is the state, or for a minute; return the last one."""
    end = time.monotonic() + 60
    while (now := asked()) != state and time.monotonic() < end:
        time.sleep(0.02)
    return now


def test_serve_answers_while_it_warms_the_model_behind_it_and_ends_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "depthmap", "serve", "--port", "0"]
    environment = {**os.environ, "DEPTHMAP_CACHE_DIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE) as process:
        deadline = threading.Timer(120, process.kill)
        deadline.start()
        try:
            assert process.stderr
            urls = (re.search(r"answers on (http://127\.0\.0\.1:\d+)", line) for line in process.stderr)
            url = next(match[1] for match in urls if match)
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:

                def state() -> str:
                    return str(client.get("/api/models/status").json()["default_model_state"])

                assert state() in ("cold", "loading")
                assert until("ready", state) == "ready"
            process.send_signal(signal.SIGINT)
            log = process.communicate(timeout=60)[1]
        finally:
            deadline.cancel()
            process.kill()
    assert process.returncode == 0
    assert "Depthmap_Tiny is loaded" in log
    assert "Traceback" not in log


def test_warming_and_the_requests_that_come_meanwhile_load_the_model_once(settings: Settings) -> None:
    models = LoadedModels(ModelCache(settings=replace(settings, model=MODEL)))
    warming = threading.Thread(target=Warming(models).warm)
    warming.start()
    with ThreadPoolExecutor(8) as pool:
        got = {id(estimator) for estimator in pool.map(lambda _: models.get(), range(32))}
    warming.join()
    assert got == {id(models.get())}
    assert models.get().spec.name == MODEL
    assert models.state == "ready"


def test_another_default_is_loaded_when_it_is_asked_for(settings: Settings) -> None:
    models = LoadedModels(ModelCache(settings=settings))
    assert models.get().spec.name == "Depthmap_Tiny"
    models.cache = ModelCache(settings=replace(settings, model=MODEL))
    assert models.get().spec.name == MODEL


def test_a_model_that_cannot_be_warmed_is_logged_and_the_server_goes_on(
    start: Callable[..., WebServer], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for file in settings.cache_dir.glob("midas_*.*"):
        if file.suffix != ".pkl":
            file.write_bytes(b"no model")
    server = start(replace(settings, model=MODEL), warm=True)
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    try:
        assert until("True", lambda: str("could not be loaded" in caplog.text)) == "True"
    finally:
        logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    reply = server.client.get("/api/models/status")
    assert (reply.status_code, reply.json()["default_model_state"]) == (200, "failed")


def test_nothing_is_downloaded_in_order_to_be_warm(settings: Settings) -> None:
    mirror = (settings.cache_dir.parent / "mirror").as_uri() + "/"
    online = replace(settings, model="DPT_Large", offline=False, mirrors=(mirror,))
    models = LoadedModels(ModelCache(settings=online))
    Warming(models).warm()
    assert models.state == "cold"
    assert list(settings.cache_dir.glob(".partial/*")) == []


def test_a_server_that_is_stopped_at_once_loads_nothing(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib, sys
from depthmap.cache import ModelCache
from depthmap.settings import Settings
from depthmap.web.loaded import LoadedModels
from depthmap.web.warming import Warming

async def stop_at_once(warming):
    async with warming.lifespan():
        pass

cache = ModelCache(settings=Settings(pathlib.Path({str(tmp_path)!r})))
asyncio.run(stop_at_once(Warming(LoadedModels(cache))))
import threading
[thread.join() for thread in threading.enumerate() if thread.name == "warming"]
print({{"torch", "openvino", "onnxruntime"}} & set(sys.modules))
"""
    done = python(code)
    assert done.stdout.strip() == "set()", done.stderr
