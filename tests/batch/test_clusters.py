"""Runs on a Ray cluster: two nodes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batch.test_streaming import outputs, streamed
from depthmap.batch import Order, Result, callers, on_ray, open_sources, stream
from depthmap.estimator import DepthEstimator
from support import PHOTO

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.extra,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]
PICTURES = 24


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("PYTHONPATH", "")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        for number in range(PICTURES):
            photo.resize((96 + number, 64)).save(folder / f"{number}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


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


def test_a_dataset_gets_columns_and_a_row_that_fails_its_error(
    cluster: Any, photos: Path, tmp_path: Path
) -> None:
    streamed(photos, tmp_path / "local")
    dataset = ray.data.read_binary_files(str(photos), include_paths=True)
    rows = on_ray(dataset, "depthmap_tiny", engine="onnxruntime", outputs=["png16", "npz"]).take_all()
    assert len(rows) == PICTURES + 1
    for row in rows:
        if row["path"].endswith("broken.jpg"):
            assert "not a picture" in row["error"]
            assert row["png16"] is None
        else:
            assert row["error"] == ""
            name = Path(row["path"]).name
            assert row["png16"] == (tmp_path / "local" / f"{name}_depth.png").read_bytes()
            assert row["npz"] == (tmp_path / "local" / f"{name}_depth.npz").read_bytes()


def test_a_dataset_gets_arrays_and_goes_to_parquet(cluster: Any, photos: Path, tmp_path: Path) -> None:
    streamed(photos, tmp_path / "local")
    paths = [{"file": str(photos / f"{number}.jpg")} for number in range(4)]
    rows = on_ray(ray.data.from_items(paths), "depthmap_tiny", column="file", engine="onnxruntime")
    rows.write_parquet(str(tmp_path / "table"))
    back = ray.data.read_parquet(str(tmp_path / "table")).take_all()
    for row in back:
        local = tmp_path / "local" / f"{Path(row['file']).name}_depth.npz"
        assert np.array_equal(row["depth"], np.load(local)["values"])
