"""What light does, as numbers for ``raster.py``: the sky's on a surface, and the sun's view of a place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_SHARES = np.array([1 / 4, *(1 / 2,) * 3, *(15 / 16,) * 3, 5 / 64, 15 / 64]) / math.pi
"""The square of each harmonic's constant, for panorama and surface, times what a matt surface keeps of its band."""


def ambient(panorama: Array) -> Array:
    """Return the sky's light on a surface by its normal, as 9 spherical harmonics of irradiance / pi, (9, 3).

    The panorama (H, W, 3) has rows from nadir to zenith and columns by the angle in the plane of x and y, from minus
    to plus half a turn, 0 being along x. Nothing stands between sky and surface. Ramamoorthi and Hanrahan, "An
    Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001.
    """
    height, width = panorama.shape[:2]
    up = (((np.arange(height) + 0.5) / height - 0.5) * math.pi)[:, None]
    turn = ((np.arange(width) + 0.5) / width * 2 - 1) * math.pi
    directions = np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up) + 0 * turn], 2)
    area = np.cos(up)[..., None] * (math.pi / height) * (2 * math.pi / width)
    coefficients = np.einsum("hwk,hwc->kc", harmonics(directions) * area, panorama)
    return np.asarray(coefficients * _SHARES[:, None])


def harmonics(directions: Array) -> Array:
    """Return the first 9 real spherical harmonics of unit vectors (..., 3), without their constants, as (..., 9)."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.stack([1 + 0 * x, y, z, x, x * y, y * z, x * z, 3 * z * z - 1, x * x - y * y], -1)


def sun_view(towards: Array, centre: Array, reach: float, depth: float = 600.0) -> Array:
    """Return the matrix (4, 4) from the world to what the sun sees around a place: each axis from -1 to 1.

    ``towards`` is the unit vector to the sun; z grows away from it. No perspective: ``reach`` metres to all sides,
    ``depth`` before and behind.
    """
    side = np.cross(towards, (0, 1, 0) if abs(towards[2]) > 0.9 else (0, 0, 1))
    side /= np.linalg.norm(side)
    axes = np.stack([side / reach, np.cross(towards, side) / reach, -towards / depth])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ centre
    return matrix
