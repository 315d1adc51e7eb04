"""Depth Anything 3: from the published file and a picture to depth, by every engine, with torch and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmap import Depth, DepthEstimator, ModelCache
from depthmap.camera import Camera
from depthmap.catalog import of_network
from depthmap.depth import METRIC, RELATIVE
from depthmap.engines import ENGINES, PLAIN
from depthmap.engines.parity import TOLERANCE
from depthmap.formats import safetensors
from depthmap.images import Photo
from depthmap.transforms import prepare
from networks import modern
from networks.modern import Golden
from support import FileServer, write_catalog

SMALL, LARGE = "DA3_SMALL", "DA3MONO_LARGE"
KEY = "480x640_seed2"


def published(keys: str, folder: Path) -> Path:
    """Return a stand-in for the published file."""
    path = folder / "model.safetensors"
    safetensors.save(modern.arrays(keys), path)
    return path


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has da3_small under the name "mine", imported by the command line, not compiled."""
    directory = tmp_path_factory.mktemp("cache")
    file = published(SMALL, tmp_path_factory.mktemp("published"))
    command = ["models", "import", str(file), "--name", "mine", "--network", "da3_small", "--json"]
    environment = {**os.environ, "DEPTHMAP_CACHE_DIR": str(directory), "DEPTHMAP_OFFLINE": "1"}
    subprocess.run(
        [sys.executable, "-m", "depthmap", *command], check=True, env=environment, capture_output=True
    )
    return directory


def golden(keys: str, kind: str) -> Golden:
    return next(golden for golden in modern.goldens(keys, kind) if golden.key == KEY)


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    """The picture of the goldens as the network sees it, so that depth of it has the size of the goldens."""
    spec = of_network("da3_small", {})
    normalised = prepare(modern.picture(golden(SMALL, "depth")), spec).transpose(1, 2, 0)
    pixels: np.ndarray = np.rint((normalised * spec.std + spec.mean) * 255).astype(np.uint8)
    return pixels


def require_official(depth: Depth, model: str = "mine") -> None:
    assert depth.kind == RELATIVE
    assert modern.relative_error(depth.values[::8, ::8], golden(SMALL, "depth").array) < TOLERANCE
    camera, official = depth.intrinsics, golden(SMALL, "intrinsics").array
    assert camera.source == model
    assert (camera.fx, camera.fy) == pytest.approx((official[0, 0], official[1, 1]), rel=TOLERANCE)


def test_an_uncompiled_file_gives_the_official_depth_and_camera(cache_dir: Path, seen: np.ndarray) -> None:
    estimator = DepthEstimator("mine", cache_dir=cache_dir, engine=PLAIN.name)
    assert (estimator.spec.network, estimator.network_size(640, 480)) == ("da3_small", (504, 378))
    require_official(estimator.depth(seen))


@pytest.mark.slow
def test_a_file_of_the_hub_s_is_downloaded_converted_and_gives_the_official_depth_from_both_formats(
    seen: np.ndarray, serve: Callable[[Path], FileServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mirror" / "depth-anything" / "DA3-SMALL"
    folder.mkdir(parents=True)
    catalog = write_catalog(tmp_path / "catalog.json", DA3_Small=published(SMALL, folder))
    monkeypatch.setenv("DEPTHMAP_CATALOG", str(catalog))
    monkeypatch.setenv("DEPTHMAP_MIRRORS", serve(tmp_path / "mirror").url)
    monkeypatch.delenv("DEPTHMAP_OFFLINE")
    for format in ("pt", "h5"):
        ModelCache().download("DA3_Small", (format,))
        estimator = DepthEstimator("DA3_Small", engine=PLAIN.name)
        assert estimator.source == format
        require_official(estimator.depth(seen), "DA3_Small")
        ModelCache().clear()


def test_depth_has_the_size_of_the_picture(cache_dir: Path, seen: np.ndarray) -> None:
    estimator = DepthEstimator("mine", cache_dir=cache_dir, engine=PLAIN.name, size=140)
    assert estimator.network_size(301, 97) == (140, 42)
    depth = estimator.depth(modern.synthetic.image(97, 301, 0))
    assert depth.values.shape == (97, 301)
    assert np.isfinite(depth.values).all()
    assert (depth.values > 0).all()


def test_the_command_line_writes_relative_depth_and_the_camera_of_the_model(
    cache_dir: Path, seen: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(seen).save(tmp_path / "photo.png")
    environment = {**os.environ, "DEPTHMAP_CACHE_DIR": str(cache_dir)}
    for options, source in (((), "mine"), (("--fov", "70"), "--fov")):
        command = [
            "predict",
            "photo.png",
            "--model",
            "mine",
            "--size",
            "140",
            "-f",
            "npz",
            "-o",
            "out",
            *options,
        ]
        subprocess.run(
            [sys.executable, "-m", "depthmap", *command], check=True, env=environment, cwd=tmp_path
        )
        (file,) = (tmp_path / "out").glob("*.npz")
        depth = Depth.load(file)
        assert (depth.kind, depth.intrinsics.source) == (RELATIVE, source)
        assert depth.values.shape == seen.shape[:2]


@pytest.mark.slow  # compiling compares every engine
def test_compiled_without_an_extra_it_gives_the_official_depth_and_camera(
    cache_dir: Path, seen: np.ndarray
) -> None:
    compiled = ModelCache(cache_dir).compile("mine")
    assert compiled["reference"] == ("torch" if find_spec("torch") else PLAIN.name)
    assert max(error for name, error in compiled["errors"].items() if " " not in name) < TOLERANCE / 10
    require_official(DepthEstimator("mine", cache_dir=cache_dir, engine=PLAIN.name).depth(seen))


@pytest.mark.extra
@pytest.mark.slow
def test_every_engine_gives_the_official_depth_and_camera(cache_dir: Path, seen: np.ndarray) -> None:
    ModelCache(cache_dir).compile("mine")
    for engine in ("torch", *ENGINES):
        for pictures in (1, 8):
            estimator = DepthEstimator(
                "mine", device="cpu", cache_dir=cache_dir, engine=engine, pictures=pictures
            )
            depth = estimator.depth(seen)
            assert depth.engine == engine
            require_official(depth)


@pytest.mark.slow  # 1.3 GB of weights
def test_the_metric_network_gives_metres_for_the_camera_that_is_known_or_assumed(
    tmp_path: Path, seen: np.ndarray
) -> None:
    file = published(LARGE, tmp_path)
    cache = ModelCache(tmp_path / "cache")
    cache.import_file(file, "mine", ["pt"], network="da3_metric_large")
    file.unlink()
    estimator = DepthEstimator("mine", cache_dir=cache.cache_dir, engine=PLAIN.name)
    camera = Camera.from_fov(50, 504, 378, "EXIF")
    depth = estimator.depth(Photo(seen, "photo.jpg", camera=camera))
    official = golden(LARGE, "depthskyfilled").array
    assert (depth.kind, depth.camera) == (METRIC, camera)
    assert modern.relative_error(depth.values[::8, ::8], official * (camera.focal / 300)) < TOLERANCE
    unknown = estimator.depth(seen)
    assert unknown.camera is None
    assert "assumed camera" in unknown.meaning
    assert modern.relative_error(unknown.with_camera(camera).values, depth.values) < TOLERANCE
    (saved,) = unknown.save(tmp_path / "depth.npz")
    assert json.dumps(Depth.load(saved).facts()) == json.dumps(unknown.facts())
