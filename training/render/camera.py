"""A view: where the camera is and what it sees. World axes: z up; yaw 0 looks along x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from .parameters import Lens, Limits

GRID = 12
"""Rows of the coarse grid of rays; columns as the shape of the picture asks."""


def about_x(angle: float) -> NDArray[np.float64]:
    """Return the matrix of a turn about x."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_z(angle: float) -> NDArray[np.float64]:
    """Return the matrix of a turn about z."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass(frozen=True)
class View:
    """A pinhole camera with square pixels. Angles in radians, but the horizontal field of view in degrees."""

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    fov: float
    width: int
    height: int

    def rotation(self) -> NDArray[np.float64]:
        """Return the matrix from camera axes (x right, y up, looking along -z) to the world's."""
        return about_z(self.yaw - math.pi / 2) @ about_x(self.pitch + math.pi / 2) @ about_z(self.roll)

    def from_world(self) -> NDArray[np.float64]:
        """Return the matrix (4, 4) from the world's axes to the camera's."""
        matrix, turn = np.eye(4), self.rotation().T
        matrix[:3, :3], matrix[:3, 3] = turn, -turn @ np.array(self.position)
        return matrix

    def projection(self, near: float, far: float) -> NDArray[np.float64]:
        """Return the matrix (4, 4) from the camera's axes to OpenGL's clip space."""
        wide, high = self.half()
        matrix = np.diag((1 / wide, 1 / high, (far + near) / (near - far), 0.0))
        matrix[2, 3], matrix[3, 2] = 2 * far * near / (near - far), -1
        return matrix

    def half(self) -> tuple[float, float]:
        """Return how far the picture reaches to each side and up and down, at a depth of 1."""
        wide = math.tan(math.radians(self.fov) / 2)
        return wide, wide * self.height / self.width

    def rays(self, rows: int = GRID) -> NDArray[np.float64]:
        """Return directions (rows, columns, 3) in the world; their length makes distances planar depth."""
        columns = round(rows * self.width / self.height)
        wide, high = self.half()
        x = (2 * (np.arange(columns) + 0.5) / columns - 1) * wide
        y = (1 - 2 * (np.arange(rows) + 0.5) / rows) * high
        grid = np.stack([*np.meshgrid(x, y), np.full((rows, columns), -1.0)], 2)
        return np.asarray(grid @ self.rotation().T)

    def resembles(self, other: View, metres: float, radians: float = 0.6) -> bool:
        """Whether both look from about the same place in about the same direction."""
        turn = abs((self.yaw - other.yaw + math.pi) % (2 * math.pi) - math.pi)
        apart = sum(abs(a - b) for a, b in zip(self.position, other.position, strict=True))
        return apart < metres and turn < radians and self.width == other.width


def dice(source: str, seed: int) -> Random:
    """Return the random numbers of a scene: all that differs between scenes is drawn from them."""
    return Random(f"{source} {seed}")


@dataclass(frozen=True)
class Stand:
    """A place for a camera: the ground it stands on, and where it may look."""

    ground: tuple[float, float, float]
    yaw: float


def pick_lens(lenses: Sequence[Lens], rng: Random) -> Lens:
    """Draw a lens by the lenses' shares."""
    return rng.choices(lenses, [lens.share for lens in lenses])[0]


def through(lens: Lens, stand: Stand, rng: Random) -> View:
    """Draw a view from a stand."""
    x, y, z = stand.ground
    width, height = rng.choice(lens.shapes)
    return View(
        position=(x, y, z + rng.uniform(*lens.height)),
        yaw=stand.yaw,
        pitch=math.radians(rng.gauss(*lens.pitch)),
        roll=math.radians(rng.gauss(0, lens.roll)),
        fov=rng.uniform(*lens.fov),
        width=width,
        height=height,
    )


def worth_rendering(depths: NDArray[np.float64], surfaces: NDArray[np.int64], limits: Limits) -> bool:
    """Judge a coarse grid of planar depths (inf = nothing) and of the surfaces met (-1 = none)."""
    seen = depths[np.isfinite(depths)]
    if seen.size < max(8, (1 - limits.sky) * depths.size) or seen.min() < limits.nearest:
        return False
    sizes = np.bincount(surfaces[surfaces >= 0])
    percentile, metres = limits.crowded
    near, far = np.percentile(seen, (8, 90))
    return bool(
        sizes.max() <= limits.plane * surfaces.size
        and sizes.size >= limits.surfaces
        and np.percentile(seen, percentile) >= metres
        and far / near >= limits.span
    )
