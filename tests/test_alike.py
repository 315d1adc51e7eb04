"""Networks that have the same tensors: which one a file is for must be said, and then it is the one that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depthmap import DepthEstimator, ModelCache
from depthmap.checkpoints import alike
from depthmap.depth import METRIC, RELATIVE_INVERSE
from depthmap.engines import ENGINES
from depthmap.engines.parity import TOLERANCE
from depthmap.errors import UnrecognisedFile, UsageError
from networks import modern
from support import save_checkpoint

SMALL = alike("depth_anything_v2_small")
# network, NAME.npz, and what its numbers are
OFFICIAL = [
    ("depth_anything_v2_small", "DepthAnythingV2_Small", RELATIVE_INVERSE),
    ("depth_anything_v2_indoor_small", "DepthAnythingV2_Metric_Hypersim_Small", METRIC),
    ("depth_anything_v1_small", "DepthAnythingV1_Small", RELATIVE_INVERSE),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the published file of a small network."""
    path = tmp_path_factory.mktemp("published") / "depth_anything_vits.pth"
    layout = modern.synthetic.layout("DepthAnythingV2_Small")
    save_checkpoint({name: modern.synthetic.tensor(name, *kind) for name, *kind in layout}, path)
    return path


def test_a_file_of_one_of_several_networks_is_refused_until_it_is_said_which(published: Path) -> None:
    cache = ModelCache()
    with pytest.raises(UnrecognisedFile, match="Several networks") as caught:
        cache.import_file(published, "mine", ["pt"])
    assert all(network in str(caught.value) for network in SMALL)
    assert "--network" in caught.value.remedy
    with pytest.raises(UsageError, match="does not hold the network dpt_large"):
        cache.import_file(published, "mine", ["pt"], network="dpt_large")
    assert cache.shelf.cached("mine") == {}


def test_a_file_that_depthmap_wrote_says_which_it_is(published: Path, tmp_path: Path) -> None:
    cache = ModelCache()
    cache.import_file(published, "mine", ["h5"], network="depth_anything_v1_small")
    exported = cache.export("mine", tmp_path / "mine.h5")
    assert cache.import_file(exported, "again", ["h5"]).network == "depth_anything_v1_small"
    other = cache.import_file(exported, "other", ["h5"], network="depth_anything_v2_small")
    assert other.network == "depth_anything_v2_small"


@pytest.mark.slow
@pytest.mark.parametrize(("network", "goldens", "kind"), OFFICIAL, ids=[case[0] for case in OFFICIAL])
def test_an_imported_network_gives_the_official_depth_with_every_engine(
    network: str, goldens: str, kind: str, published: Path
) -> None:
    cache = ModelCache()
    cache.import_file(published, "mine", ["pt"], network=network)
    cache.compile("mine")
    golden = next(modern.goldens(goldens, "depth"))
    picture = modern.picture(golden)
    for engine in ("torch", *ENGINES):
        estimator = DepthEstimator("mine", device="cpu", engine=engine, optimize=False)
        depth = estimator.depth(picture)
        assert estimator.network_size(golden.width, golden.height) == (686, 518)
        assert depth.kind == kind
        assert modern.relative_error(depth.values[::8, ::8], golden.array) < TOLERANCE


def test_a_metric_network_gives_metres_and_a_size_is_rounded_to_what_it_takes(published: Path) -> None:
    ModelCache().import_file(published, "mine", ["pt"], network="depth_anything_v2_outdoor_small")
    estimator = DepthEstimator("mine", device="cpu", engine="torch", size=150)
    assert estimator.size == 154
    assert estimator.network_size(640, 480) == (154, 112)
    depth = estimator.depth(np.zeros((48, 64, 3), np.uint8))
    assert depth.kind == METRIC
    assert ((depth.values > 0) & (depth.values < 80)).all()
