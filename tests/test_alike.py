"""Networks that have the same tensors: which one a file is for must be said, and then it is the one that runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from depthmap import CATALOG, DepthEstimator, ModelCache
from depthmap.checkpoints import alike
from depthmap.depth import METRIC, RELATIVE_INVERSE
from depthmap.engines import ENGINES
from depthmap.engines.parity import TOLERANCE
from depthmap.errors import UnknownModel, UsageError
from networks import modern
from support import save_checkpoint, sha256, write_catalog

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


def test_a_file_of_one_of_several_networks_is_taken_for_the_relative_one_of_v2_and_that_is_said(
    published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ModelCache().import_file(published, "mine", ["pt"]).network == "depth_anything_v2_small"
    (said,) = [message for message in caplog.messages if "the same tensors" in message]
    assert said.index("DepthAnythingV2_Small") < said.index("DepthAnythingV1_Small")
    assert "--as MODEL" in said


@pytest.mark.slow
@pytest.mark.parametrize("model", [spec.name for spec in CATALOG.values() if spec.network in SMALL])
def test_it_can_be_said_which_by_a_model_or_by_its_network(
    model: str, published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ModelCache()
    network = CATALOG[model.lower()].network
    assert cache.import_file(published, "mine", ["pt"], like=model).network == network
    assert cache.import_file(published, "mine", ["pt"], network=network, replace=True).network == network
    assert not caplog.messages


def test_what_the_file_does_not_hold_is_refused(published: Path) -> None:
    cache = ModelCache()
    for wrong in ({"network": "dpt_large"}, {"like": "DPT_Large"}):
        with pytest.raises(UsageError, match="does not hold the network dpt_large"):
            cache.import_file(published, "mine", ["pt"], **wrong)
    with pytest.raises(UnknownModel):
        cache.import_file(published, "mine", ["pt"], like="nosuch")
    assert cache.shelf.cached("mine") == {}


def forget(slug: str) -> Path:
    """Lose what the cache knows of a model; return its ``.pt``."""
    path = ModelCache().cache_dir / f"midas_{slug}.pt"
    path.with_suffix(".pkl").unlink()
    return path


def test_a_model_whose_description_is_lost_is_known_again(
    published: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ModelCache().import_file(published, "mine", ["pt"], like="DepthAnythingV2_Metric_Indoor_Small")
    path = forget("mine")
    assert sha256(path) == sha256(published)  # nothing in it says what it is
    cache = ModelCache()
    assert cache.spec("mine").network == "depth_anything_v2_indoor_small"
    assert [entry["ok"] for entry in cache.verify("mine")] == [True]
    assert ModelCache().spec("mine").kind == METRIC
    assert not [message for message in caplog.messages if "the same tensors" in message]
    cache.delete("mine")
    shutil.copy(published, path)  # another model, of which nobody has said anything
    assert ModelCache().spec("mine").network == "depth_anything_v2_small"
    assert "the same tensors" in caplog.text


def test_a_published_file_is_known_by_its_digest_under_any_name(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(
        "DEPTHMAP_CATALOG", str(write_catalog(tmp_path / "catalog.json", DepthAnythingV1_Small=published))
    )
    assert ModelCache().import_file(published, "mine", ["pt"]).network == "depth_anything_v1_small"
    forget("mine")
    ModelCache().shelf.store.note_network("mine", "")
    assert ModelCache().spec("mine").network == "depth_anything_v1_small"
    assert not caplog.messages


def test_a_name_that_goes_to_another_network_is_not_taken_for_the_former(
    published: Path, tiny_checkpoint: Path
) -> None:
    ModelCache().import_file(published, "mine", ["pt"], like="DepthAnythingV1_Small")
    ModelCache().import_file(tiny_checkpoint, "mine", ["pt"], replace=True)
    forget("mine")
    assert ModelCache().spec("mine").network == "depthmap_tiny"
    assert not ModelCache().shelf.store.noted_network("mine")


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
