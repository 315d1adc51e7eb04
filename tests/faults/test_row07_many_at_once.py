"""Eight processes with eight threads each ask for one model at once: one download, and all are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub
from support import sha256

from .ledger import Ledger
from .places import write_foreign
from .servers import Fault, HostileServer

# Each process says "ready", waits until all are, then lets its threads go at the same moment.
PROGRAM = """
import sys, threading
import torch
from depthmap import loader
from depthmap.cache import ModelCache

barrier = threading.Barrier({threads})
sums = []

def work():
    barrier.wait()
    network = loader.load("small", ModelCache()).network
    sums.append(sum(float(t.double().sum()) for t in network.state_dict().values()))

threads = [threading.Thread(target=work) for _ in range({threads})]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(sums), *set(sums), flush=True)
"""


@pytest.fixture
def server(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """The published file on a server, and the settings under which it is asked."""
    started = HostileServer(tiny_checkpoint, name="v1/small.pt")
    entry = {
        "name": "Small", "network": "depthmap_tiny", "path": "v1/small.pt", "input_size": 256,
        "resize": "upper_bound", "mean": [0.5] * 3, "std": [0.5] * 3,
        "bytes": tiny_checkpoint.stat().st_size, "sha256": sha256(tiny_checkpoint),
    }  # fmt: skip
    (tmp_path / "catalog.json").write_text(json.dumps({"models": [entry]}))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(tmp_path / "catalog.json"))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", started.url)
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield started
    started.stop()


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def expected(checkpoint: Path) -> float:

    from depthmap import formats, networks

    network = networks.build("depthmap_tiny")
    networks.fill(network, formats.load(checkpoint))
    return sum(float(tensor.double().sum()) for tensor in network.float().state_dict().values())


def all_load(checkpoint: Path, ledger: Ledger, what: str, count: tuple[int, int]) -> None:
    """Start everything, let go, and see that each of the loads gave the right numbers."""
    processes = [start(PROGRAM.format(threads=count[1])) for _ in range(count[0])]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    right = expected(checkpoint)
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=240)
        with ledger.injection(7, f"{what}, process {number}"):
            done, *sums = out.split()
            assert (int(done), [float(s) for s in sums]) == (count[1], [pytest.approx(right, rel=1e-9)]), err


def bytes_of_the_file(server: HostileServer) -> int:
    return sum(request.sent for request in server.requests if request.status in (200, 206))


@pytest.fixture
def count(full: bool) -> tuple[int, int]:
    """Processes, and threads in each."""
    return (8, 8) if full else (3, 4)


def test_many_loads_on_an_empty_cache_are_one_get(
    server: HostileServer, tiny_checkpoint: Path, ledger: Ledger, count: tuple[int, int]
) -> None:
    all_load(tiny_checkpoint, ledger, "empty cache", count)
    with ledger.injection(7, "one GET"):
        assert [(r.method, r.range, r.sent) for r in server.requests] == [
            ("GET", "", tiny_checkpoint.stat().st_size)
        ]


@pytest.mark.slow
def test_many_loads_of_a_model_without_a_digest_ask_the_hub_once(
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ledger: Ledger,
    count: tuple[int, int],
) -> None:
    source = tmp_path / "model.safetensors"
    write_foreign(tiny_checkpoint, source)
    hub = Hub(tmp_path, source, source.name)
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(hub.write_catalog(tmp_path / "catalog.json")))
    monkeypatch.setenv("DEPTHMAP_OFFLINE", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    try:
        all_load(tiny_checkpoint, ledger, "no digest", count)
        with ledger.injection(7, "one question, one GET"):
            assert (hub.heads(), hub.cdn.sent) == (1, hub.size)
    finally:
        hub.stop()


@pytest.mark.slow
def test_many_loads_after_the_lock_s_holder_was_killed_fetch_only_the_rest(
    server: HostileServer, tiny_checkpoint: Path, ledger: Ledger, count: tuple[int, int]
) -> None:
    size = tiny_checkpoint.stat().st_size
    server.heal(Fault(rate=4 << 20))
    holder = start("from depthmap.cache import ModelCache; ModelCache().download('small')")
    waiting = threading.Thread(target=all_load, args=(tiny_checkpoint, ledger, "holder killed", count))
    part = Path(os.environ["DEPTHMAP_CACHE_DIR"]) / ".partial" / "midas_small.pt.part"
    while not part.exists() or part.stat().st_blocks * 512 < size // 3:
        assert holder.poll() is None, holder.communicate()
        time.sleep(0.02)
    waiting.start()
    time.sleep(2)  # long enough for some of them to be waiting for the lock, and for more to come
    holder.kill()
    holder.communicate()
    waiting.join()
    with ledger.injection(7, "every byte once"):
        # What is lost with the holder is the leaf that it was writing, and what was on the way to it.
        assert bytes_of_the_file(server) < size + (4 << 20)
        assert sha256(part.parents[1] / "midas_small.pt") == sha256(tiny_checkpoint)
        assert len([r for r in server.requests if r.status in (200, 206)]) <= 2
