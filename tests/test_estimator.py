"""Picture in, depth out."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import depthmap
from depthmap import DepthEstimator, ModelCache, loader
from depthmap.errors import ImageError, UsageError
from support import GOLDENS, PHOTO, write_catalog

TINY = "Depthmap_Tiny"


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator(TINY, device="cpu")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(Image.open(PHOTO).convert("RGB"))


@pytest.mark.parametrize(
    "model",
    # what each network computes from each picture is tested in tests/networks; here, that an estimator gives it
    [
        "MiDaS_small",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("MiDaS", "DPT_Hybrid", "DPT_Large")),
    ],
)
def test_networks_and_maps_are_the_official_ones_from_pt_and_from_h5(
    model: str,
    synthetic: ModuleType,
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = np.load(GOLDENS / f"{model}.npz")
    published = checkpoint(model)
    monkeypatch.setenv(
        "DEPTHMAP_CATALOG", str(write_catalog(tmp_path / "catalog.json", **{model: published}))
    )
    monkeypatch.setenv("DEPTHMAP_MIRRORS", published.parents[1].as_uri())
    ModelCache().download(model)
    size = min((name for name in golden.files if name.startswith("net_")), key=len)
    height, width = (int(n) for n in size.split("_")[1].split("x"))
    seed = int(size.split("seed")[1])
    for format in ("pt", "h5"):
        loaded = loader.load(model, ModelCache())
        assert loaded.source == format
        with torch.inference_mode():
            output = loaded.network(torch.from_numpy(synthetic.network_input(height, width, seed)))
        assert relative(output.numpy().squeeze()[::4, ::4], golden[size]) < 1e-4
        estimator = DepthEstimator(model, device="cpu")
        depth = estimator.predict(synthetic.image(480, 640, 0))
        assert estimator.source == format
        assert relative(depth[::8, ::8], golden["depth_480x640_seed0"]) < 1e-4
        loaded.path.unlink()  # so that the next is the .h5


def relative(ours: np.ndarray, reference: np.ndarray) -> float:
    reference = reference.squeeze()
    assert ours.shape == reference.shape
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def test_the_map_has_the_size_of_the_picture(estimator: DepthEstimator, picture: np.ndarray) -> None:
    depth = estimator.predict(picture)
    assert depth.shape == picture.shape[:2]
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()
    assert depth.std() > 0


def test_every_kind_of_picture_gives_the_same_map(
    estimator: DepthEstimator, picture: np.ndarray, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    (tmp_path / "x.png").write_bytes(buffer.getvalue())
    unit = picture.astype(np.float32) / 255
    kinds = {
        "path": tmp_path / "x.png",
        "text": str(tmp_path / "x.png"),
        "bytes": buffer.getvalue(),
        "PIL": Image.fromarray(picture),
        "float": unit,
        "16-bit": picture.astype(np.uint16) * 257,
        "RGBA": np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]),
        "torch HWC": torch.from_numpy(picture.copy()),
        "torch CHW": torch.from_numpy(unit).permute(2, 0, 1),
        "torch 1CHW": torch.from_numpy(unit).permute(2, 0, 1)[None],
    }
    expected = estimator.predict(picture)
    for kind, image in kinds.items():
        assert relative(estimator.predict(image), expected) < 1e-4, kind


def test_grey_is_three_equal_channels(estimator: DepthEstimator, picture: np.ndarray) -> None:
    grey = picture[:, :, 1]
    expected = estimator.predict(np.dstack([grey] * 3))
    assert relative(estimator.predict(grey), expected) < 1e-4
    assert relative(estimator.predict(Image.fromarray(grey)), expected) < 1e-4


def test_exif_orientation_is_honoured(estimator: DepthEstimator, picture: np.ndarray) -> None:
    turned = Image.fromarray(np.rot90(picture).copy())  # as a camera held upright stores it
    exif = turned.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=exif)
    assert relative(estimator.predict(buffer.getvalue()), estimator.predict(picture)) < 1e-4


def test_a_batch_of_many_sizes_gives_what_each_gives_alone(
    estimator: DepthEstimator, picture: np.ndarray
) -> None:
    images = [picture, picture[:200], picture[:, ::-1], picture[:200, :300], picture[::2, ::2]]
    for map_, image in zip(estimator.predict_batch(images, batch_size=2), images, strict=True):
        assert map_.shape == image.shape[:2]
        assert relative(map_, estimator.predict(image)) < 1e-4
    assert estimator.predict_batch([]) == []


def test_threads_share_one_estimator(estimator: DepthEstimator, picture: np.ndarray) -> None:
    images = [picture[:, : 100 + 60 * n] for n in range(6)]
    expected = [estimator.predict(image) for image in images]
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = estimator.predict(images[number])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(relative(results[n], expected[n]) < 1e-4 for n in range(len(images)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (3000, 2), (31, 33)])
def test_thin_and_tiny_pictures_do_not_blow_up(estimator: DepthEstimator, shape: tuple[int, int]) -> None:
    depth = estimator.predict(np.full((*shape, 3), 100, np.uint8))
    assert depth.shape == shape
    assert np.isfinite(depth).all()


def test_what_is_no_picture_or_no_device_is_a_clear_error(estimator: DepthEstimator) -> None:
    for image in (b"text", np.zeros((5, 5, 7), np.uint8), "no/such/file.jpg"):
        with pytest.raises(ImageError):
            estimator.predict(image)
    for device in ("gpu", "cuda:99"):
        with pytest.raises(UsageError, match="no such device"):
            DepthEstimator(TINY, device=device)


@pytest.mark.parametrize("size", [(427, 640), (300, 300), (640, 300)])
def test_maps_have_no_frame_and_no_stray_corners(
    estimator: DepthEstimator, picture: np.ndarray, size: tuple[int, int]
) -> None:
    depth = estimator.predict(picture[-size[0] :, -size[1] :])
    inner = depth[10:-10, 10:-10]
    spread = inner.max() - inner.min()
    assert depth.max() < inner.max() + 0.2 * spread
    assert depth.min() > inner.min() - 0.2 * spread


def test_the_sky_is_far_the_pagoda_nearer_and_the_ground_nearest(estimator: DepthEstimator) -> None:
    depth = estimator.predict(PHOTO)
    depth = (depth - depth.min()) / (depth.max() - depth.min())  # its shift and scale are anybody's guess
    sky, pagoda, ground = depth[10:100, 400:600].mean(), depth[200:300, 120:300].mean(), depth[380:].mean()
    assert sky < 0.05
    assert pagoda > 2 * sky
    assert ground > 2 * pagoda


def test_estimate_says_which_model_it_used(monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path) -> None:
    depth = depthmap.estimate(PHOTO)
    assert (depth.model, depth.source) == (TINY, "embedded")
    assert np.asarray(depth) is depth.inverse_depth
    assert np.array(depth, dtype=np.float64).dtype == np.float64
    ModelCache().import_file(tiny_checkpoint, "mine")
    monkeypatch.setenv("DEPTHMAP_MODEL", "Mine")
    assert depthmap.estimate(PHOTO).model == "mine"


def test_the_name_from_before_is_dpt_large_unless_another_is_asked_for(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from depthmap.errors import ModelUnavailable
    from depthmap.generative.midas import MiDaSDepthEstimator

    with pytest.raises(ModelUnavailable, match="DPT_Large"):
        MiDaSDepthEstimator()
    ModelCache(tmp_path / "other").import_file(tiny_checkpoint, "my_custom_model")
    estimator = MiDaSDepthEstimator(model_name="my_custom_model", device="cpu", cache_dir=tmp_path / "other")
    assert estimator.predict(PHOTO).shape == (427, 640)
    assert not Path(os.environ["DEPTHMAP_CACHE_DIR"]).exists()


def test_a_model_replaced_while_it_is_used_goes_on_giving_the_same(tiny_checkpoint: Path) -> None:
    cache = ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    estimator = DepthEstimator("mine", device="cpu")
    before = estimator.predict(PHOTO)
    cache.delete("mine")
    cache.import_file(depthmap.__path__[0] + "/embedded/depthmap_tiny.pt", "mine")
    shutil.rmtree(cache.cache_dir)
    assert np.array_equal(estimator.predict(PHOTO), before)
