"""Cameras and roads, drawn and judged without Blender."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from training.render.camera import GRID, Stand, View, dice, pick_lens, through, worth_rendering
from training.render.parameters import (
    DRIVING,
    LIMITS,
    OPEN_LENSES,
    ROOM_LENSES,
    STREET_LENSES,
    STRIPS,
    STYLES,
    VERGE,
    Lens,
)
from training.render.road import Road, draw_plan

STAND = Stand((3.0, -2.0, 0.5), 0.3)


def view(**changes: float) -> View:
    values: dict[str, Any] = {
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "fov": 80.0,
        "width": 512,
        "height": 160,
    } | changes
    return View((0.0, 0.0, 1.5), **values)


def test_a_view_looks_along_its_yaw_with_up_upwards() -> None:
    turned = view(yaw=math.pi / 2).rotation()
    assert np.allclose(turned @ [0, 0, -1], [0, 1, 0])
    assert np.allclose(turned @ [0, 1, 0], [0, 0, 1])
    assert np.allclose(turned @ [1, 0, 0], [1, 0, 0])


def test_positive_pitch_looks_up() -> None:
    assert np.allclose(view(pitch=math.pi / 6).rotation() @ [0, 0, -1], [math.cos(math.pi / 6), 0, 0.5])


def test_rotation_stays_a_rotation() -> None:
    matrix = view(yaw=2.0, pitch=-0.4, roll=0.2).rotation()
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.isclose(np.linalg.det(matrix), 1)


@pytest.mark.parametrize("shape", STRIPS)
def test_what_a_ray_meets_is_projected_to_its_place_in_the_picture(shape: tuple[int, int]) -> None:
    seen = view(yaw=0.7, pitch=-0.3, roll=0.1, width=shape[0], height=shape[1])
    rays = seen.rays()
    points = np.array(seen.position) + 12.0 * rays
    whole = np.concatenate([points, np.ones((*points.shape[:2], 1))], 2)
    clip = whole @ (seen.projection(0.1, 900.0) @ seen.from_world()).T
    rows, columns = rays.shape[:2]
    across = 2 * (np.arange(columns) + 0.5) / columns - 1
    down = 1 - 2 * (np.arange(rows) + 0.5) / rows
    assert np.allclose(clip[..., 3], 12.0)  # planar depth
    assert np.allclose(clip[..., 0] / clip[..., 3], across[None])
    assert np.allclose(clip[..., 1] / clip[..., 3], down[:, None])


def test_depth_is_clipped_at_the_near_and_the_far_plane() -> None:
    ends = view().projection(0.1, 900.0) @ np.array([[0, 0, -0.1, 1], [0, 0, -900.0, 1]]).T
    assert np.allclose(ends[2] / ends[3], (-1, 1))


@pytest.mark.parametrize("shape", STRIPS)
def test_rays_span_the_field_of_view_with_square_pixels(shape: tuple[int, int]) -> None:
    width, height = shape
    rays = view(width=width, height=height).rays()
    rows, columns, _ = rays.shape
    assert rows == GRID
    assert columns == round(GRID * width / height)
    assert np.allclose(rays[..., 0], 1), "lengths are in units of planar depth"
    edge = math.tan(math.radians(40)) * (1 - 1 / columns)
    assert np.isclose(rays[:, 0, 1].max(), edge), "left is +y when looking along x"
    assert np.isclose(rays[0, :, 2].max(), math.tan(math.radians(40)) * height / width * (1 - 1 / rows))


def test_driving_views_are_wide_strips_at_the_height_of_a_car_looking_ahead() -> None:
    rng = Random(1)
    views = [through(DRIVING, STAND, rng) for _ in range(300)]
    assert {(v.width, v.height) for v in views} == set(STRIPS)
    assert all(1.2 <= v.position[2] - STAND.ground[2] <= 2.0 and 70 <= v.fov <= 95 for v in views)
    assert max(abs(v.pitch) for v in views) < math.radians(15)
    assert all(v.position[:2] == STAND.ground[:2] and v.yaw == STAND.yaw for v in views)


@pytest.mark.parametrize("lenses", [STREET_LENSES, OPEN_LENSES, ROOM_LENSES])
def test_lenses_are_drawn_by_their_shares(lenses: tuple[Lens, ...]) -> None:
    rng = Random(2)
    drawn = [pick_lens(lenses, rng) for _ in range(3000)]
    for lens in lenses:
        assert drawn.count(lens) / 3000 == pytest.approx(lens.share, abs=0.04)


def test_views_from_one_place_in_one_direction_resemble_each_other() -> None:
    one = view()
    assert one.resembles(view(yaw=0.3 + 2 * math.pi), metres=5)
    assert not one.resembles(view(yaw=math.pi), metres=5)
    assert not one.resembles(View((4.0, 3.0, 1.5), 0, 0, 0, 80, 512, 160), metres=5)
    assert not one.resembles(view(width=256, height=192), metres=5)


def glance(depth: np.ndarray, surfaces: int = 24) -> tuple[np.ndarray, np.ndarray]:
    ids = np.arange(depth.size).reshape(depth.shape) % surfaces
    return depth, np.where(np.isfinite(depth), ids, -1)


GOOD = np.linspace(40, 2, GRID)[:, None].repeat(16, 1)
BAD = {
    "an object before the lens": glance(np.where(np.arange(16) < 1, 0.2, GOOD)),
    "a wall close by": glance(np.where(np.arange(16) < 5, 0.9, GOOD)),
    "all at one distance": glance(np.full_like(GOOD, 5.0)),
    "mostly sky": glance(np.where(np.arange(GRID)[:, None] < 9, np.inf, GOOD)),
    "nothing": glance(np.full_like(GOOD, np.inf)),
    "one plane": (GOOD, np.where(np.arange(16) < 12, 0, glance(GOOD)[1])),
    "few surfaces": glance(GOOD, surfaces=4),
}


def test_a_varied_view_is_worth_rendering() -> None:
    assert worth_rendering(*glance(GOOD), LIMITS["outdoor"])


@pytest.mark.parametrize("what", BAD)
def test_not_worth_rendering(what: str) -> None:
    assert not worth_rendering(*BAD[what], LIMITS["outdoor"])


def test_a_bend_keeps_its_radius_and_sides() -> None:
    road = Road(100, curvature=1 / 160)
    centre = np.array([0, 160, 0])
    for along in (-100, -30, 0, 55, 100):
        assert np.linalg.norm(road.at(along) - centre) == pytest.approx(160)
        assert np.linalg.norm(road.at(along, aside=20) - centre) == pytest.approx(140), "left is inside"


def test_length_along_a_road_is_true() -> None:
    points = np.array([Road(80, curvature=-1 / 200).at(i / 10) for i in range(501)])
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(50, rel=1e-3)


def test_a_profile_is_extruded_along_the_hills() -> None:
    road = Road(60, rise=3, wave=100)
    points, faces = road.extrude([(-2, 0), (2, 0), (2, 0.5)], -30, 30, step=3)
    assert len(points) == 21 * 3
    assert len(faces) == 20 * 2
    assert {corner for face in faces for corner in face} == set(range(len(points)))
    assert points[0][2] == pytest.approx(road.level(-30))
    assert points[2][2] == pytest.approx(road.level(-30) + 0.5)


def test_a_scene_depends_on_its_source_and_seed_alone() -> None:
    def drawn(source: str, seed: int) -> tuple[object, ...]:
        rng = dice(source, seed)
        return draw_plan(rng), [through(pick_lens(STREET_LENSES, rng), STAND, rng) for _ in range(5)]

    assert drawn("outdoor", 7000) == drawn("outdoor", 7000)
    assert drawn("outdoor", 7000) != drawn("outdoor", 7001)
    assert drawn("outdoor", 7000) != drawn("indoor", 7000)


def test_seeds_give_every_style_of_street_and_no_road_folds() -> None:
    plans = [draw_plan(dice("outdoor", seed)) for seed in range(7000, 7300)]
    assert {id(plan.style) for plan in plans} == {id(style) for style in STYLES.values()}
    assert sum(plan.road.curvature != 0 for plan in plans) > 100
    assert all(abs(plan.road.curvature) * VERGE < 1 for plan in plans)
    assert all(plan.edge >= plan.half > 2 for plan in plans)
