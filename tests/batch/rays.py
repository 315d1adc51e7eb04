"""What the tests on Ray share: clusters of several nodes on this machine, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from depthmap.batch.workers import environment
from support import PHOTO

PICTURES = 24
MARKS = [
    pytest.mark.slow,
    pytest.mark.extra,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]


@contextmanager
def cluster_of(*nodes: dict[str, Any]) -> Iterator[Any]:
    """Start a cluster of nodes, the first its head, by the arguments of ``Cluster.add_node``; connect to it."""
    import ray
    from ray.cluster_utils import Cluster

    head, *others = nodes
    tests = str(Path(__file__).parents[1])  # actors import what a test hands them
    with environment(RAY_USAGE_STATS_ENABLED="0", PYTHONPATH=tests):
        cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **head})
        try:
            for node in others:
                cluster.add_node(**node)
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def write_photos(folder: Path) -> Path:
    """Write `PICTURES` pictures of as many sizes, and a file that is none; return the folder."""
    folder.mkdir()
    with Image.open(PHOTO) as photo:
        for number in range(PICTURES):
            photo.resize((96 + number, 64)).save(folder / f"{number}.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder
