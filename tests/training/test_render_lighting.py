"""The light of skies and suns, without OpenGL."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from training.render.lighting import ambient, harmonics, sun_view

AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
EAST, WEST, NORTH, SOUTH, UP, DOWN = range(6)


def received(panorama: NDArray[np.floating]) -> NDArray[np.floating]:
    """What surfaces that face the six ways get, (6,)."""
    return np.asarray(harmonics(AXES) @ ambient(np.repeat(panorama[..., None], 3, 2)))[:, 0]


def test_a_sky_alike_on_all_sides_lights_all_surfaces_by_as_much() -> None:
    assert received(np.full((64, 128), 0.7)) == pytest.approx([0.7] * 6, rel=1e-3)


def test_a_sky_above_a_black_ground_lights_walls_by_half() -> None:
    panorama = np.zeros((64, 128))
    panorama[32:] = 1
    light = received(panorama)
    assert light[UP] == pytest.approx(1, abs=0.07)  # nine harmonics are not exact
    assert light[DOWN] == pytest.approx(0, abs=0.07)
    assert light[:4] == pytest.approx([0.5] * 4, abs=0.02)


@pytest.mark.parametrize(("column", "faces"), [(64, EAST), (0, WEST), (96, NORTH), (32, SOUTH)])
def test_a_glow_at_the_horizon_lights_what_faces_it(column: int, faces: int) -> None:
    panorama = np.zeros((64, 128))
    panorama[28:36, (np.arange(-4, 5) + column) % 128] = 10
    assert received(panorama).argmax() == faces


@pytest.mark.parametrize("towards", [(0, 0, 1), (0.6, 0, 0.8), (0, -0.8, 0.6)])
def test_the_suns_view_is_centred_and_grows_away_from_the_sun(towards: tuple[float, ...]) -> None:
    sun, centre = np.array(towards, float), np.array([30.0, -12.0, 2.0])
    matrix = sun_view(sun, centre, 80, depth=600)
    points = np.stack([centre, centre + 600 * sun, centre - 600 * sun])
    placed = np.concatenate([points, np.ones((3, 1))], 1) @ matrix.T
    assert np.allclose(placed[:, :3], [[0, 0, 0], [0, 0, -1], [0, 0, 1]])
    aside = np.cross(sun, (0.3, 0.9, 0.1))
    edge = matrix @ [*(centre + 80 * aside / np.linalg.norm(aside)), 1]
    assert np.hypot(*edge[:2]) == pytest.approx(1)
