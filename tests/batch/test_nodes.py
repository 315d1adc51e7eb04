"""What the nodes of a cluster fetch and hold of a model: two nodes, each with a cache of its own, and a mirror."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batch.rays import MARKS, PICTURES, cluster_of, write_photos
from depthmap.batch import Order, Result, open_sources, stream
from depthmap.catalog import CATALOG
from depthmap.estimator import DepthEstimator
from depthmap.images import Photo
from faults.servers import HostileServer
from support import write_catalog

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.memory import pss  # it is found from the root of the repository

ray = pytest.importorskip("ray")
pytest.importorskip("torch")
pytestmark = [
    *MARKS,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is looked into on Linux only"),
]
MODEL = "MiDaS_small"
ACTORS = 2  # on each node
WAIT = 240.0


@pytest.fixture
def server(checkpoint: Callable[[str], Path]) -> Iterator[HostileServer]:
    """A mirror with the model, which counts the bytes that it sends."""
    server = HostileServer(checkpoint(MODEL), name=CATALOG[MODEL.lower()].path)
    yield server
    server.stop()


class Together:
    """Holds each actor's first picture until all actors have one; their processes and caches are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, photo: Photo) -> Photo:
        (self.folder / str(os.getpid())).write_text(os.environ["DEPTHMAP_CACHE_DIR"])
        end = time.monotonic() + WAIT
        while len(list(self.folder.iterdir())) < 2 * ACTORS and time.monotonic() < end:
            time.sleep(0.1)
        return photo


def test_each_node_fetches_the_model_once_and_its_actors_hold_one_copy(
    server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = tmp_path / "actors"
    actors.mkdir()
    caches = [tmp_path / "cache", tmp_path / "other"]
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    monkeypatch.setenv("DEPTHMAP_MIRRORS", server.url)
    monkeypatch.setenv(
        "DEPTHMAP_CATALOG", str(write_catalog(tmp_path / "catalog.json", **{MODEL: server.root}))
    )
    nodes = [{"num_cpus": ACTORS, "env_vars": {"DEPTHMAP_CACHE_DIR": str(cache)}} for cache in caches]
    most = dict.fromkeys(caches, 0.0)

    def notify(result: Result) -> None:
        for cache, held in weights_on_each_node(actors, caches).items():
            most[cache] = max(most[cache], held)

    with cluster_of(*nodes):
        estimator = DepthEstimator(MODEL, "cpu", engine="torch", pictures=1000)  # in the cache of the head
        assert server.sent == server.root.stat().st_size
        order = Order(str(tmp_path / "out"), ["npy"], ray="", begin=Together(actors))
        tally = stream(open_sources([write_photos(tmp_path / "photos")]), estimator, order, notify)
    assert tally.count("done") == PICTURES
    assert len(list(actors.iterdir())) == 2 * ACTORS
    assert server.sent == 2 * server.root.stat().st_size
    for cache in caches:
        assert 0.5 < most[cache] <= 1.1, most  # not all pages of the file are ever used


def weights_on_each_node(actors: Path, caches: list[Path]) -> dict[Path, float]:
    """Return the sum of the shares that a node's processes have of its model's file, as a part of the file."""
    found = {}
    for cache in caches:
        (file,) = cache.glob("midas_*.pt")
        pids = [int(note.name) for note in actors.iterdir() if note.read_text() == str(cache)]
        if cache == caches[0]:
            pids.append(os.getpid())  # this process has its head's file too
        found[cache] = sum(pss(pid, file) for pid in pids) / file.stat().st_size
    return found
