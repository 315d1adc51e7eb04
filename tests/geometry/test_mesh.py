"""A mesh is the surface that the picture shows: whole where it is, cut where one object hides another."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depthmap.camera import Camera
from depthmap.depth import METRIC, Depth
from depthmap.geometry import Mesh, mesh, points
from raycast import BACK, FLOOR, LEFT, Room, room

ROOM = room()
LARGE = room(480, 360)


def pixels(surface: Mesh, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the column and the row that each vertex is of."""
    column, row = (surface.uv * [width, height] - 0.5).T
    assert np.abs(column - np.rint(column)).max() < 1e-3
    return np.rint(row).astype(int), np.rint(column).astype(int)


def triangles_of_blocks(surface: Mesh, width: int, height: int) -> np.ndarray:
    """Return how many triangles each block of 2 × 2 pixels has, (H - 1, W - 1)."""
    row, column = pixels(surface, width, height)
    count = np.zeros((height - 1, width - 1), int)
    np.add.at(count, (row[surface.faces].min(axis=1), column[surface.faces].min(axis=1)), 1)
    return count


def crossings(surface: Mesh, scene: Room) -> np.ndarray:
    """Return how much farther in truth the farthest corner of each triangle is that joins two objects."""
    row, column = pixels(surface, *scene.metres.shape[::-1])
    objects, metres = scene.objects[row, column][surface.faces], scene.metres[row, column][surface.faces]
    joins = objects.min(axis=1) < objects.max(axis=1)
    return (metres.max(axis=1) / metres.min(axis=1))[joins]


def check(surface: Mesh) -> None:
    """Fail unless the arrays make a mesh at all."""
    vertices, faces, uv, _ = surface
    assert (vertices.dtype, faces.dtype, uv.dtype) == (np.float32, np.uint32, np.float32)
    assert vertices.shape[1:] == (3,)
    assert faces.shape[1:] == (3,)
    assert uv.shape == (len(vertices), 2)
    assert np.isfinite(vertices).all()
    assert ((uv > 0) & (uv < 1)).all()
    assert np.array_equal(np.unique(faces), np.arange(len(vertices)))  # none is missing, none is left over


@pytest.mark.parametrize("scene", [ROOM, LARGE], ids=["small", "large"])
def test_no_triangle_joins_an_object_to_what_it_hides(scene: Room) -> None:
    surface = scene.calibrated().mesh()
    assert surface.units == "metres"
    assert crossings(surface, scene).max() < 1.07  # where the box stands on the floor there is no gap
    assert (triangles_of_blocks(surface, *scene.metres.shape[::-1]) == 0).sum() > 0


def test_planes_are_whole_however_slanted_and_so_are_the_corners_between_them() -> None:
    count = triangles_of_blocks(ROOM.calibrated().mesh(), 160, 120)
    blocks = [ROOM.objects[:-1, :-1], ROOM.objects[:-1, 1:], ROOM.objects[1:, :-1], ROOM.objects[1:, 1:]]
    inside = np.isin(blocks, [FLOOR, BACK, LEFT]).all(axis=0)
    assert (count[inside] == 2).all()
    same = np.min(blocks, axis=0) == np.max(blocks, axis=0)
    assert (count[same] == 2).all()


def test_vertices_lie_within_a_percent_of_the_true_points() -> None:
    surface = ROOM.calibrated().mesh()
    true = ROOM.points[pixels(surface, 160, 120)]
    off = np.linalg.norm(surface.vertices - true, axis=1) / np.linalg.norm(true, axis=1)
    assert off.max() < 0.01


def test_triangles_turn_counter_clockwise_to_the_camera() -> None:
    vertices, faces, _, _ = ROOM.calibrated().mesh()
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    assert ((np.cross(b - a, c - a) * a).sum(axis=1) < 0).all()


@pytest.mark.parametrize("sigma", [1, 2])
def test_edges_that_a_network_blurs_are_cut_and_leave_no_rubber_sheet(sigma: int) -> None:
    blurred = cv2.GaussianBlur(LARGE.depth().values, (0, 0), sigma)
    depth = replace(LARGE.calibrated(), values=blurred)
    surface = depth.mesh()
    z = -surface.vertices[:, 2][surface.faces]
    stretched = z.max(axis=1) / z.min(axis=1) > 1.1
    assert stretched.mean() < 1e-4
    assert (triangles_of_blocks(surface, 480, 360) == 2).mean() > 0.985
    row, column = pixels(surface, 480, 360)
    floating = np.abs(-surface.vertices[:, 2] / LARGE.metres[row, column] - 1) > 0.25
    assert floating.mean() < 0.005  # a blurred edge may be a pixel off


def test_a_floor_is_whole_almost_to_the_horizon() -> None:
    below = np.arange(1, 101)[:, None] * np.ones(60)
    metres = 150 / below  # 1.5 m above the floor, a focal length of 100 pixels
    surface = mesh(metres, Camera(100, 100, 29.5, -1))
    count = triangles_of_blocks(surface, 60, 100)
    assert (count[3:] == 2).all()
    assert np.allclose(surface.vertices[:, 1], -1.5, atol=1e-4)


def test_a_corner_is_cut_off_by_one_triangle() -> None:
    metres = np.ones((3, 3))
    metres[0, 0] = 2
    assert triangles_of_blocks(mesh(metres, Camera(3, 3, 1, 1)), 3, 3).tolist() == [[1, 2], [2, 2]]
    assert triangles_of_blocks(mesh(metres[:, ::-1], Camera(3, 3, 1, 1)), 3, 3).tolist() == [[2, 1], [2, 2]]


def test_a_mesh_of_a_huge_picture_is_bounded_and_its_vertices_are_points_of_the_picture() -> None:
    columns, rows = np.meshgrid(np.arange(3001), np.arange(1700))
    metres = 1 / (0.2 + columns / 10_000 + rows / 20_000)
    camera = Camera(2500, 2600, 1480, 870)
    surface = mesh(metres, camera)
    check(surface)
    row, column = pixels(surface, 3001, 1700)
    assert max(len(np.unique(row)), len(np.unique(column))) <= 1000
    assert len(surface.vertices) > 300_000
    assert np.allclose(surface.vertices, points(metres, camera)[row, column], rtol=1e-5, atol=1e-5)


def test_a_mesh_may_be_coarser() -> None:
    assert mesh(np.ones((90, 120)), Camera.assumed(120, 90), longest=30).vertices.shape == (30 * 23, 3)


HOLES = np.where(np.arange(120).reshape(10, 12) % 7 == 0, np.nan, 2.0)
FLAT = {
    "a row": np.ones((1, 9)),
    "a column": np.ones((9, 1)),
    "a pixel": np.ones((1, 1)),
    "nothing": np.full((4, 5), np.nan),
    "infinity": np.full((4, 5), np.inf),
    "no distance": np.zeros((4, 5)),
    "one pixel of many": np.where(np.arange(20).reshape(4, 5) == 7, 1.0, np.nan),
}


@pytest.mark.parametrize("metres", FLAT.values(), ids=FLAT)
def test_what_has_no_surface_gives_no_triangles(metres: np.ndarray) -> None:
    surface = Depth(metres, METRIC).mesh()
    assert surface.vertices.shape == surface.faces.shape == (0, 3)
    assert surface.uv.shape == (0, 2)


def test_equal_distances_are_one_flat_surface() -> None:
    surface = Depth(np.full((4, 5), 7.0)).mesh()
    check(surface)
    assert len(surface.faces) == 2 * 3 * 4
    assert np.ptp(surface.vertices[:, 2]) == 0


def test_holes_masks_and_the_sky_stay_open() -> None:
    metres = np.full((6, 8), 3.0)
    valid = np.ones((6, 8), bool)
    valid[2, 3] = False
    metres[5, 7] = np.inf
    count = triangles_of_blocks(Depth(metres, METRIC, valid).mesh(), 8, 6)
    assert count[1:3, 2:4].tolist() == [[1, 1], [1, 1]]
    assert count[4, 6] == 1
    check(Depth(HOLES, METRIC).mesh())


@given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(width=32))
)
def test_every_map_of_numbers_gives_a_mesh(values: np.ndarray) -> None:
    for kind in ("relative inverse depth", METRIC):
        with np.errstate(over="ignore"):
            check(Depth(values, kind).mesh())
