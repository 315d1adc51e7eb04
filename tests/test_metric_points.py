"""Networks that give points: from the published file and a picture to metres, by every engine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from depthmap import Depth, DepthEstimator, ModelCache
from depthmap.camera import Camera
from depthmap.depth import METRIC
from depthmap.engines import ENGINES
from depthmap.engines.parity import TOLERANCE
from depthmap.images import Photo
from networks import modern
from networks.modern import Golden
from support import python

NETWORK = "moge2_small_normal"
KEYS = "MoGe2_vits-normal"
OFFICIAL_AXES = np.float32([1, -1, -1])
# A picture whose camera is known, and the longer side that has the tokens of the golden.
KNOWN, KNOWN_SIZE = "240x320_seed5_numtokens600_fovx60.0", 392
UNKNOWN, UNKNOWN_SIZE = "480x640_seed3_resolutionlevel3", 728


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the published file, which wraps the tensors."""
    import torch

    path = tmp_path_factory.mktemp("published") / "model.pt"
    torch.save({"model_config": {"num_tokens_range": [1200, 3600]}, "model": modern.state(KEYS, ())}, path)
    return path


@pytest.fixture(scope="module")
def cache_dir(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has the network under the name "mine", not compiled."""
    directory = tmp_path_factory.mktemp("cache")
    imported = ModelCache(directory).import_file(published, "mine", ["pt"])
    assert imported.network == NETWORK
    return directory


def golden(kind: str, key: str) -> Golden:
    return next(golden for golden in modern.goldens(KEYS, kind) if golden.key == key)


def difference(depth: Depth, key: str) -> float:
    """Return by how much depth or normals differ from the official ones, as a share."""
    mask = golden("mask", key).array
    assert depth.valid is not None
    assert (depth.valid[::10, ::10] != mask).sum() <= 2
    both = mask & depth.valid[::10, ::10]
    normals = (depth.normals() * OFFICIAL_AXES)[::10, ::10]
    return max(
        modern.relative_error(depth.values[::10, ::10][both], golden("depth", key).array[both]),
        modern.relative_error(normals[both], golden("normal", key).array[both]),
    )


def known_photo() -> Photo:
    return Photo(modern.picture(golden("depth", KNOWN)), camera=Camera.from_fov(60, 320, 240, "--fov"))


def test_an_uncompiled_file_gives_the_official_depth_for_a_known_camera(cache_dir: Path) -> None:
    estimator = DepthEstimator("mine", cache_dir=cache_dir, engine="onnxruntime", size=KNOWN_SIZE)
    depth = estimator.depth(known_photo())
    assert (depth.kind, depth.camera) == (METRIC, known_photo().camera)
    assert difference(depth, KNOWN) < TOLERANCE


@pytest.mark.slow  # 2000 tokens, four times
def test_every_engine_gives_the_official_depth_and_camera(cache_dir: Path) -> None:
    picture = modern.picture(golden("depth", UNKNOWN))
    focal = golden("intrinsics", UNKNOWN).array[0, 0] * 640
    ModelCache(cache_dir).compile("mine")
    for engine, pictures in (
        ("torch", 1),
        ("torch", 8),
        *((engine, n) for engine in ENGINES for n in (1, 8)),
    ):
        estimator = DepthEstimator(
            "mine", device="cpu", cache_dir=cache_dir, engine=engine, pictures=pictures, size=UNKNOWN_SIZE
        )
        assert estimator.network_size(640, 480) == (52 * 14, 39 * 14)
        depth = estimator.depth(picture)
        assert depth.engine == engine
        assert depth.intrinsics.source == "mine"
        assert depth.intrinsics.fx == pytest.approx(focal, rel=TOLERANCE)
        assert difference(depth, UNKNOWN) < TOLERANCE


@pytest.fixture(scope="module")
def small(cache_dir: Path) -> DepthEstimator:
    return DepthEstimator("mine", cache_dir=cache_dir, engine="onnxruntime", size=140)


def photo(width: int, height: int, seed: int = 3) -> Photo:
    return Photo(modern.synthetic.image(height, width, seed), "scene.jpg")


@pytest.mark.parametrize(("width", "height"), [(64, 48), (37, 90), (301, 20), (1, 1)])
def test_pictures_of_any_shape_have_metres_and_a_camera_in_their_middle(
    small: DepthEstimator, width: int, height: int
) -> None:
    depth = small.depth(photo(width, height))
    camera = depth.intrinsics
    assert depth.values.shape == depth.normals().shape[:2] == (height, width)
    assert depth.valid is not None
    assert (depth.values[depth.valid] > 0).all()
    assert np.isposinf(depth.values[~depth.valid]).all()
    assert (camera.cx, camera.cy, camera.source) == ((width - 1) / 2, (height - 1) / 2, "mine")
    assert camera.fx == camera.fy > 0


def test_pictures_of_one_network_size_keep_their_aspects_in_a_batch(small: DepthEstimator) -> None:
    photos = [photo(64, 48), photo(61, 48)]
    assert small.network_size(64, 48) == small.network_size(61, 48)
    together = small.depths(photos)
    for alone, depth in zip(map(small.depth, photos), together, strict=True):
        assert alone.intrinsics.fx == pytest.approx(depth.intrinsics.fx, rel=1e-4)
        np.testing.assert_allclose(alone.masked, depth.masked, rtol=1e-3)


def test_a_known_camera_is_kept_and_changes_the_distances(small: DepthEstimator) -> None:
    free = small.depth(photo(64, 48))
    camera = Camera.from_fov(30, 64, 48, "EXIF")
    bound = small.depth(Photo(photo(64, 48).pixels, camera=camera))
    assert bound.camera == camera
    both = free.valid & bound.valid
    # Every point is farther or nearer by one distance.
    shift = bound.values[both] - free.values[both]
    assert np.ptp(shift) < 1e-3 * np.abs(shift).max()


def test_npz_keeps_everything_and_ply_and_glb_are_in_metres(small: DepthEstimator, tmp_path: Path) -> None:
    import trimesh

    depth = small.depth(photo(64, 48))
    depth.save(tmp_path / "scene", ["npz", "ply", "glb"])
    again = Depth.load(tmp_path / "scene_depth.npz")
    assert (again.kind, again.camera) == (METRIC, depth.camera)
    for ours, theirs in ((again.values, depth.values), (again.valid, depth.valid)):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(again.normals(), depth.normals(), equal_nan=True)
    points = depth.points()
    assert points.units == "metres"
    assert len(points.xyz) == depth.valid.sum()
    ply = next(tmp_path.glob("*.ply"))
    assert b"metres" in ply.read_bytes()[:2000]
    np.testing.assert_allclose(trimesh.load(ply).vertices, points.xyz, rtol=1e-5)
    glb = next(tmp_path.glob("*.glb")).read_bytes()
    tree = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])
    assert tree["scenes"][0]["extras"]["units"] == "metres"


def test_normals_of_the_model_are_unit_vectors_and_unknown_where_it_says_nothing(
    small: DepthEstimator,
) -> None:
    depth = small.depth(photo(64, 48))
    normals = depth.normals()
    np.testing.assert_allclose(np.linalg.norm(normals[depth.valid], axis=-1), 1, rtol=1e-5)
    assert np.isnan(normals[~depth.valid]).all()
    assert np.array_equal(normals, depth.model_normals, equal_nan=True)


def test_without_torch_the_file_is_imported_and_gives_the_same_metres(
    small: DepthEstimator, published: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "picture.npy", photo(64, 48).pixels)
    code = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from depthmap import DepthEstimator, ModelCache
cache = ModelCache({str(tmp_path / "cache")!r})
cache.import_file({str(published)!r}, "mine", ["pt", "h5"])
estimator = DepthEstimator("mine", cache_dir=cache.cache_dir, size=140)
depth = estimator.depth(np.load({str(tmp_path / "picture.npy")!r}))
depth.save({str(tmp_path / "there")!r}, ["npz"])
print(estimator.engine)
"""
    done = python(code)
    assert done.stdout.strip() == "onnxruntime", done.stderr
    there, here = Depth.load(tmp_path / "there_depth.npz"), small.depth(photo(64, 48))
    np.testing.assert_allclose(there.masked, here.masked, rtol=1e-4)
    np.testing.assert_allclose(there.normals(), here.normals(), atol=1e-3)
    assert there.intrinsics.fx == pytest.approx(here.intrinsics.fx, rel=1e-4)
