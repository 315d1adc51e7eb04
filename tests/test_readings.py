"""What networks give becomes the fields of a `Depth`: the sky, the camera, metres."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from depthmap.camera import Camera
from depthmap.catalog import of_network
from depthmap.depth import Depth
from depthmap.readings import Scene, read
from depthmap.readings.depth_anything_3 import SKY, camera_of, sky_filled

RANDOM = np.random.default_rng(0)
DEPTH = RANDOM.uniform(1, 20, (42, 56)).astype(np.float32)
SOME_SKY = np.where(np.arange(42)[:, None] < 9, 0.5, 0.1).repeat(56, 1).astype(np.float32)
EXIF = Camera(400, 400, 55.5, 41.5, "EXIF")


def scene(network: str, camera: Camera | None = None) -> Scene:
    return Scene(of_network(network, {}), 112, 84, camera)


def looking(tall: float, wide: float) -> np.ndarray:
    return np.array([0, 0, 0, 0, 0, 0, 1, tall, wide], np.float32)


def test_the_sky_is_as_far_as_99_of_100_other_pixels() -> None:
    filled = sky_filled(DEPTH, SOME_SKY)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[9:], DEPTH[9:])
    assert np.allclose(filled[:9], np.quantile(DEPTH[9:], 0.99), rtol=1e-6)


def test_of_more_than_100_000_pixels_all_count() -> None:
    depth = np.linspace(1, 100, 500 * 600, dtype=np.float32).reshape(500, 600)
    sky = np.zeros_like(depth)
    sky[:50] = SKY
    assert sky_filled(depth, sky)[0, 0] == np.float32(np.quantile(depth[50:], 0.99))


@pytest.mark.parametrize("count", [0, 10, 42 * 56 - 10, 42 * 56])
def test_where_hardly_anything_or_hardly_anything_else_is_sky_nothing_is_filled(count: int) -> None:
    sky = np.zeros(DEPTH.size, np.float32)
    sky[:count] = 1
    assert np.array_equal(sky_filled(DEPTH, sky.reshape(DEPTH.shape)), DEPTH)


def test_sky_begins_at_its_threshold() -> None:
    sky = np.full(DEPTH.shape, np.nextafter(np.float32(SKY), np.float32(0)))
    sky[:2] = SKY
    filled = sky_filled(DEPTH, sky)
    assert (filled[:2] == filled[0, 0]).all()
    assert np.array_equal(filled[2:], DEPTH[2:])


def test_a_camera_is_what_its_fields_of_view_say_of_the_picture() -> None:
    camera = camera_of(looking(math.pi / 2, 2 * math.atan(2)), 640, 480, "mine")
    assert camera is not None
    assert (camera.fx, camera.fy) == pytest.approx((160, 240))
    assert (camera.cx, camera.cy, camera.source) == (319.5, 239.5, "mine")
    assert camera.fov(640) == pytest.approx(math.degrees(2 * math.atan(2)))


@pytest.mark.parametrize("field", [0, math.pi, 4, math.nan])
def test_what_no_camera_sees_is_no_camera(field: float) -> None:
    assert camera_of(looking(field, 1), 640, 480, "") is None
    assert camera_of(looking(1, field), 640, 480, "") is None


def test_the_camera_that_the_photo_names_comes_before_the_network_s() -> None:
    outputs = DEPTH, DEPTH, looking(1, 1)
    fields = read(outputs, scene("da3_small"))
    assert (fields["kind"], fields["camera"].source) == ("relative depth", "DA3_Small")
    assert fields["values"].shape == (84, 112)
    assert read(outputs, scene("da3_small", EXIF))["camera"] == EXIF


def test_depth_without_a_scale_has_its_sky_filled() -> None:
    depth = Depth(**read((DEPTH, SOME_SKY), scene("da3_mono_large")))
    assert (depth.kind, depth.camera, depth.per_focal) == ("relative depth", None, False)
    assert np.allclose(depth.values[:16], np.quantile(DEPTH[9:], 0.99), rtol=1e-6)


def test_metres_follow_from_the_focal_length_at_the_network_s_size() -> None:
    outputs = DEPTH, np.zeros_like(DEPTH)
    given = Depth(**read(outputs, scene("da3_metric_large", EXIF)))
    relative = read(outputs, scene("da3_mono_large"))["values"]
    assert (given.kind, given.camera, given.per_focal) == ("metric depth", EXIF, True)
    assert np.allclose(
        given.values, relative * 200 / 300, rtol=1e-6
    )  # half of the picture's pixels, so of its focal


def test_without_a_camera_metres_are_those_of_the_assumed_one() -> None:
    outputs = DEPTH, SOME_SKY
    unknown = Depth(**read(outputs, scene("da3_metric_large")))
    assert unknown.camera is None
    assert unknown.intrinsics.is_assumed
    known = Depth(**read(outputs, scene("da3_metric_large", EXIF)))
    assert np.allclose(unknown.with_camera(EXIF).values, known.values, rtol=1e-6)


CANONICAL = RANDOM.uniform(0, 3, (96, 96)).astype(np.float32)
"""Inverse depth of Depth Pro: somewhere nothing, which is as far as can be."""
CANONICAL[:20] = 0
RIGHT_ANGLE = np.float32(90)


def official_metres(canonical: np.ndarray, focal: float) -> np.ndarray:
    """Return what Apple's code makes of it for a picture of 112 × 84."""
    inverse = torch.from_numpy(canonical)[None, None] * (112 / focal)
    inverse = F.interpolate(inverse, (84, 112), mode="bilinear", align_corners=False)
    metres: np.ndarray = (1 / inverse.clamp(1e-4, 1e4))[0, 0].numpy()
    return metres


def test_metres_follow_from_the_field_of_view_and_the_camera_is_its() -> None:
    depth = Depth(**read((CANONICAL, RIGHT_ANGLE), scene("depth_pro")))
    assert (depth.kind, depth.per_focal) == ("metric depth", True)
    assert depth.camera is not None
    assert depth.camera.fx == depth.camera.fy == pytest.approx(56)
    assert (depth.camera.cx, depth.camera.cy, depth.camera.source) == (55.5, 41.5, "DepthPro")
    np.testing.assert_allclose(depth.values, official_metres(CANONICAL, 56), rtol=1e-5)
    assert depth.values.max() == np.float32(1e4)


def test_a_camera_that_the_photo_names_comes_before_the_field_of_view() -> None:
    named = Depth(**read((CANONICAL, RIGHT_ANGLE), scene("depth_pro", EXIF)))
    assert named.camera == EXIF
    np.testing.assert_allclose(named.values, official_metres(CANONICAL, 400), rtol=1e-5)
    found = Depth(**read((CANONICAL, RIGHT_ANGLE), scene("depth_pro"))).with_camera(EXIF)
    near = named.values < 1e4
    np.testing.assert_allclose(found.values[near], named.values[near], rtol=1e-5)


@pytest.mark.parametrize("degrees", [0, -3, 180, 1e9, math.nan])
def test_a_field_of_view_of_no_camera_gives_the_metres_of_an_assumed_one(degrees: float) -> None:
    depth = Depth(**read((CANONICAL, np.float32(degrees)), scene("depth_pro")))
    assert depth.camera is None
    np.testing.assert_allclose(depth.values, official_metres(CANONICAL, depth.intrinsics.focal), rtol=1e-5)
    assert "for an assumed camera" in depth.meaning
