"""`Depth` says what its numbers mean, and refuses what they do not give."""

from __future__ import annotations

import io
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import depthmap
from depthmap.calibration import Calibration
from depthmap.camera import Camera
from depthmap.depth import KINDS, METRIC, RELATIVE, Depth
from depthmap.errors import UsageError
from depthmap.estimator import DepthEstimator
from support import PHOTO

VALUES = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(3, 4)
MASK = np.array([[True] * 4, [False] * 4, [True] * 4])
PIXELS = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
CAMERA = Camera(4, 4, 1.5, 1, "EXIF")
FULL = Depth(
    VALUES,
    METRIC,
    MASK,
    CAMERA,
    Calibration(2, 1, "2 points"),
    "M",
    "ab" * 32,
    "torch",
    "pt",
    "a.jpg",
    PIXELS,
)


@pytest.fixture(scope="module")
def estimator() -> DepthEstimator:
    return DepthEstimator("Depthmap_Tiny", "cpu")


def test_an_estimator_says_of_a_depth_where_it_is_from(estimator: DepthEstimator) -> None:
    depth = estimator.depth(PHOTO)
    assert depth.kind == "relative inverse depth"
    assert depth.values.dtype == np.float32
    assert depth.picture == ("china.jpg", 640, 427)
    assert depth.values.shape == (427, 640) == depth.pixels.shape[:2]
    assert (depth.model, depth.engine, depth.source) == ("Depthmap_Tiny", estimator.engine, "embedded")
    assert depth.sha256 == depthmap.CATALOG["depthmap_tiny"].sha256
    assert np.array_equal(depth.values, estimator.predict(PHOTO))


def test_many_depths_come_in_the_order_of_their_pictures(estimator: DepthEstimator) -> None:
    pictures = [np.zeros((40, 60, 3), np.uint8), PHOTO, np.zeros((60, 40, 3), np.uint8)]
    sizes = [depth.picture for depth in estimator.depths(pictures)]
    assert sizes == [("", 60, 40), ("china.jpg", 640, 427), ("", 40, 60)]


def test_the_digest_of_an_imported_model_is_that_of_its_file(tiny_checkpoint) -> None:
    cache = depthmap.ModelCache()
    cache.import_file(tiny_checkpoint, "mine")
    depth = DepthEstimator("mine", "cpu").depth(np.zeros((32, 32, 3), np.uint8))
    manifest = cache.shelf.known("mine")
    assert manifest
    assert depth.sha256 == manifest.files["pt"].digest.sha256


def test_the_array_of_a_depth_is_its_values() -> None:
    depth = Depth(VALUES)
    assert np.asarray(depth) is depth.values is depth.inverse_depth is VALUES
    assert np.array(depth) is not VALUES
    assert np.array(depth, dtype=np.float64).dtype == np.float64


def test_a_depth_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Depth(VALUES).kind = METRIC  # type: ignore[misc]  # that it cannot be set is the claim


def test_a_depth_survives_pickling_whole() -> None:
    again = pickle.loads(pickle.dumps(FULL))
    assert again.facts() == FULL.facts()
    assert all(np.array_equal(getattr(again, n), getattr(FULL, n)) for n in ("values", "valid", "pixels"))
    assert (again.camera, again.calibration, again.source) == (CAMERA, FULL.calibration, "pt")


def test_its_repr_is_one_line_that_says_the_main_things() -> None:
    assert repr(FULL) == "<Depth 4 × 3, metric depth of 'a.jpg', 0.5 to 2 m, M by torch>"
    assert repr(Depth(VALUES)) == "<Depth 4 × 3, relative inverse depth, 0.5 to 2, no model>"
    assert "\n" not in repr(Depth(VALUES, name="a\nb.jpg"))


def test_metres_that_depend_on_the_focal_length_change_with_the_camera() -> None:
    depth = Depth(VALUES, METRIC, camera=CAMERA, per_focal=True)
    longer = depth.with_camera(Camera(8, 8, 1.5, 1))
    assert np.array_equal(longer.values, 2 * VALUES)
    assert np.array_equal(longer.with_camera(CAMERA).values, VALUES)
    assert longer.per_focal
    assert np.array_equal(FULL.with_camera(Camera(8, 8, 1.5, 1)).values, VALUES)


def test_a_picture_that_names_its_camera_brings_its_metres() -> None:
    depth = Depth(np.ones((427, 640), np.float32), METRIC, per_focal=True)
    assert np.array_equal(depth.with_picture(PHOTO).values, depth.values)  # it names none
    jpeg = io.BytesIO()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50  # focal length in 35 mm terms
    Image.new("RGB", (640, 427)).save(jpeg, "jpeg", exif=exif)
    seen = depth.with_picture(jpeg.getvalue())
    assert seen.intrinsics.source == "EXIF"
    assert np.allclose(seen.values, seen.intrinsics.focal / depth.intrinsics.focal)


def test_metres_of_an_assumed_camera_say_so() -> None:
    depth = Depth(VALUES, METRIC, per_focal=True)
    assert depth.meaning == "metric depth in metres for an assumed camera, smallest value = nearest"
    assert depth.with_camera(CAMERA).meaning == "metric depth in metres, smallest value = nearest"
    assert Depth(VALUES, METRIC).meaning == "metric depth in metres, smallest value = nearest"
    assert depth.facts()["per_focal"] is True
    assert Depth(VALUES).facts()["per_focal"] is False


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_a_file_keeps_that_metres_depend_on_the_focal_length(camera: Camera | None, tmp_path: Path) -> None:
    (file,) = Depth(VALUES, METRIC, camera=camera, per_focal=True).save(tmp_path / "a.npz")
    again = Depth.load(file)
    assert (again.per_focal, again.camera) == (True, camera)
    assert np.array_equal(again.values, VALUES)


def test_notebooks_show_it_in_colours() -> None:
    picture = Image.open(io.BytesIO(FULL._repr_png_()))
    assert np.array_equal(np.asarray(picture), FULL.colour())


def test_what_has_no_metres_says_how_to_get_them() -> None:
    for kind in (RELATIVE, KINDS[0]):
        with pytest.raises(UsageError, match="it has no metres") as caught:
            Depth(VALUES, kind).metres()
        assert "--calibrate" in caught.value.remedy
        assert "calibrated(" in caught.value.remedy
    with pytest.raises(UsageError):
        Depth(VALUES).metric()


def test_metric_depth_gives_its_values_and_nothing_where_the_model_says_nothing() -> None:
    metres = FULL.metres()
    assert np.isnan(metres[1]).all()
    assert np.array_equal(metres[::2], VALUES[::2])


def test_the_inverse_of_metric_depth_is_larger_where_nearer() -> None:
    depth = Depth(np.array([[0.5, 2, np.inf, -1]]), METRIC)
    assert np.array_equal(depth.inverse_depth, np.array([[2, 0.5, 0, np.nan]], np.float32), equal_nan=True)


@given(st.floats(0.01, 100), st.floats(-1, 1))
def test_a_calibrated_map_gives_the_metres_of_its_scale_and_shift(scale: float, shift: float) -> None:
    depth = Depth(VALUES).calibrated(Calibration(scale, shift))
    inverse = VALUES.astype(np.float64) * scale + shift
    expected = np.where(inverse > 0, 1 / np.maximum(inverse, 1e-300), np.inf)
    assert np.allclose(depth.metres(), expected, rtol=1e-5)
    metric = depth.metric()
    assert (metric.kind, metric.calibration) == (METRIC, depth.calibration)
    assert np.array_equal(metric.metres(), depth.metres())


def test_distances_of_an_uncalibrated_map_span_the_stated_ratio() -> None:
    distances, units = Depth(VALUES).distances(8)
    assert (distances.min(), distances.max()) == (pytest.approx(1), pytest.approx(8))
    assert "8" in units
    assert Depth(VALUES, METRIC).distances(8)[1] == "metres"
    for ratio in (1, 0.5, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="ratio"):
            Depth(VALUES).distances(ratio)


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=32))
)
def test_distances_of_any_map_are_positive_or_nothing(values: np.ndarray) -> None:
    distances, _ = Depth(values).distances()
    assert not (distances <= 0).any()
    assert np.array_equal(np.isnan(distances), np.isnan(values))


def test_points_have_a_colour_each_and_lie_where_the_camera_sees_them() -> None:
    cloud = FULL.points()
    assert cloud.xyz.shape == (8, 3) == cloud.colours.shape
    assert cloud.units == "metres"
    assert np.array_equal(cloud.colours, PIXELS[MASK])
    x, y, z = cloud.xyz.T
    assert np.array_equal(-z, VALUES[MASK])
    columns, rows = 1.5 - 4 * x / z, 1 + 4 * y / z  # the pinhole's projection
    assert np.allclose(columns, np.where(MASK)[1])
    assert np.allclose(rows, np.where(MASK)[0])


def test_cameras_are_of_the_picture_or_assumed_and_can_be_given() -> None:
    depth = Depth(np.zeros((200, 400)))
    assert depth.camera is None
    assert depth.intrinsics.source == "assumed"
    assert depth.intrinsics.fov(400) == pytest.approx(60)
    assert depth.with_camera(fov=90).intrinsics.fx == pytest.approx(200)
    assert depth.with_camera(focal=50).intrinsics.fx == pytest.approx(
        50 * np.hypot(200, 400) / np.hypot(36, 24)
    )
    assert depth.with_camera(CAMERA).intrinsics is CAMERA
    for wrong in ({}, {"fov": 50, "focal": 20}, {"fov": 180}, {"fov": 0}, {"focal": 0}, {"focal": -1}):
        with pytest.raises(UsageError):
            depth.with_camera(**wrong)


def test_a_picture_can_be_given_later_if_it_fits() -> None:
    depth = Depth(np.zeros((427, 640)))
    with pytest.raises(UsageError, match="picture"):
        _ = depth.rgb
    assert depth.with_picture(PHOTO).picture.name == "china.jpg"
    assert depth.with_picture(PHOTO).rgb.shape == (427, 640, 3)
    with pytest.raises(UsageError, match=r"\(427, 640\).*\(3, 4\)"):
        Depth(VALUES).with_picture(PHOTO)


def test_what_contradicts_itself_is_no_depth() -> None:
    for wrong in ({"kind": "disparity"}, {"valid": np.ones((2, 2), bool)}, {"pixels": np.zeros((4, 3, 3))}):
        with pytest.raises(UsageError):
            Depth(VALUES, **wrong)


def test_facts_are_builtins_that_json_takes() -> None:
    import json

    for depth in (FULL, Depth(VALUES), Depth(np.full((2, 2), np.nan))):
        assert json.loads(json.dumps(depth.facts(), allow_nan=False)) == depth.facts()
    assert FULL.facts()["units"] == "metres"
    assert FULL.facts()["nearest"] == "smallest value"
    assert (FULL.facts()["minimum"], FULL.facts()["maximum"]) == (0.5, 2)


def test_a_depth_saves_itself(tmp_path) -> None:
    written = FULL.save(tmp_path / "a", ["png16", "npy"])
    assert [path.name for path in written] == ["a_depth.png", "a_depth.npy"]
    assert np.array_equal(np.load(tmp_path / "a_depth.npy"), FULL.masked, equal_nan=True)
