"""Runs on a Ray cluster: two nodes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.rays import MARKS, PICTURES, cluster_of, write_photos
from batch.test_streaming import outputs, streamed
from depthmap.batch import Order, Result, callers, open_sources, stream
from depthmap.estimator import DepthEstimator

pytest.importorskip("ray")
pytestmark = MARKS


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of({"num_cpus": 1}, {"num_cpus": 1}) as cluster:
        yield cluster


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "photos")


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator("depthmap_tiny", "cpu", engine="onnxruntime", pictures=1000, callers=callers())


def run(photos: Path, out: Path, estimator: DepthEstimator, **more: Any) -> list[Result]:
    seen: list[Result] = []
    stream(open_sources([photos]), estimator, Order(str(out), ["png16", "npz"], **more), seen.append)
    return seen


def test_a_cluster_writes_the_same_bytes_as_one_machine(
    cluster: Any, photos: Path, tmp_path: Path, estimator: DepthEstimator
) -> None:
    streamed(photos, tmp_path / "local")
    results = run(photos, tmp_path / "cluster", estimator, ray="")
    assert sorted(result.status for result in results) == ["done"] * PICTURES + ["failed"]
    assert outputs(tmp_path / "cluster") == outputs(tmp_path / "local")
    again = run(photos, tmp_path / "cluster", estimator, ray="")
    assert sorted(result.status for result in again) == ["failed"] + ["skipped"] * PICTURES


def test_an_actor_that_is_killed_and_a_node_that_goes_lose_nothing(
    cluster: Any, photos: Path, tmp_path: Path, estimator: DepthEstimator
) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    seen: list[Result] = []

    def notify(result: Result) -> None:
        seen.append(result)
        if len(seen) == 5:
            os.kill(_an_actor(), signal.SIGKILL)
        if len(seen) == 12:
            cluster.remove_node(node, allow_graceful=False)

    order = Order(str(tmp_path / "out"), ["png16", "npz"], ray="")
    stream(open_sources([photos]), estimator, order, notify)
    assert sorted(result.status for result in seen) == ["done"] * PICTURES + ["failed"]
    streamed(photos, tmp_path / "local")
    assert outputs(tmp_path / "out") == outputs(tmp_path / "local")


def _an_actor() -> int:
    """Return the process of a living actor."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                title = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::_Actor"):
                return int(folder.name)
    raise AssertionError("no actor lives")
