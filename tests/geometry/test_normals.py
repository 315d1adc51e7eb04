"""Normals are those of the surface, up to its edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depthmap.camera import Camera
from depthmap.depth import METRIC, Depth
from depthmap.geometry import normals
from raycast import SPHERE, Room, room


def degrees(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((found * true).sum(axis=-1), -1, 1)))


@pytest.mark.parametrize("scene", [room(), room(640, 480)], ids=["small", "large"])
def test_planes_are_within_five_degrees_up_to_a_pixel_from_every_edge(scene: Room) -> None:
    found = scene.calibrated().normals()
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)
    off = degrees(found, scene.normals)
    assert off[(scene.objects != SPHERE) & ~scene.near_an_edge()].max() < 5
    assert np.median(off[scene.objects == SPHERE]) < 1


def test_pixels_at_an_edge_take_the_slope_of_their_own_side() -> None:
    metres = np.full((20, 20), 5.0)
    metres[:, :10] = 2.0
    found = normals(metres, Camera.assumed(20, 20))
    assert np.allclose(found, [0, 0, 1], atol=1e-6)


def test_the_axes_are_right_up_and_towards_the_viewer() -> None:
    below = np.arange(1, 31)[:, None] * np.ones(30)
    floor = normals(30 / below, Camera(30, 30, 14.5, -1))
    assert np.allclose(floor, [0, 1, 0], atol=1e-4)
    right = np.arange(1, 31) * np.ones((30, 1))
    wall_on_the_right = normals(30 / right, Camera(30, 30, -1, 14.5))
    assert np.allclose(wall_on_the_right, [-1, 0, 0], atol=1e-4)


def test_corners_stay_sharp_where_ripples_are_smoothed() -> None:
    rng = np.random.default_rng(0)
    columns = np.arange(200) * np.ones((150, 1))
    roof = 1 / (0.5 - np.abs(columns - 100.4) / 400)  # two walls that meet
    rippled = roof * (1 + 2e-4 * rng.standard_normal(roof.shape))
    camera = Camera.assumed(200, 150)
    rough, true = normals(rippled, camera), normals(roof, camera)
    smooth = normals(rippled, camera, 4)
    inside = np.s_[5:-5, [*range(5, 98), *range(103, 195)]]
    assert np.median(degrees(smooth, true)[inside]) < np.median(degrees(rough, true)[inside]) * 0.6
    assert np.median(degrees(smooth, true)[5:-5, 98:103]) < 3


def test_blocks_of_rows_fit_together() -> None:
    """They are worked on one after the other."""
    rng = np.random.default_rng(0)
    rows = np.arange(700)[:, None] * np.ones(20)
    metres = (3 + rows / 500) * (1 + 1e-3 * rng.standard_normal(rows.shape))
    camera = Camera(500, 500, 9.5, 349.5)
    whole = normals(metres, camera, 4)
    for top in (200, 256, 500):
        part = normals(metres[top - 50 : top + 50], Camera(500, 500, 9.5, 349.5 - (top - 50)), 4)
        assert np.allclose(whole[top - 20 : top + 20], part[30:70], atol=1e-5)


def test_what_is_unknown_is_nan_and_nothing_else() -> None:
    metres = np.full((8, 9), 2.0)
    metres[3, 4], metres[0, 0] = np.nan, np.inf
    unknown = np.isnan(Depth(metres, METRIC).normals()).any(axis=-1)
    assert np.argwhere(unknown).tolist() == [[0, 0], [3, 4]]


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_a_line_of_pixels_has_no_normals(shape: tuple[int, int]) -> None:
    assert np.isnan(Depth(np.ones(shape), METRIC).normals()).all()


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=32))
)
def test_normals_of_any_map_are_unit_vectors_or_nan(values: np.ndarray) -> None:
    found = Depth(values).normals()
    length = np.linalg.norm(found, axis=-1)
    assert np.allclose(length[~np.isnan(length)], 1, atol=1e-4)
