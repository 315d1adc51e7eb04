"""Rays cast at simple solids: exact depth and normals, without OpenGL.

The axes are the camera's, which stands at the origin: x right, y down, z ahead. A ray's z is 1, so how far it has gone
is planar depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Skin = Callable[[Array, Array], Array]
"""Gives the colours (N, 3), 0 to 1, of points (N, 3): by where they are on the unit solid, and in their model."""
Kind = Literal["ball", "box", "tube"]

ROUND: dict[str, list[int]] = {"ball": [0, 1, 2], "box": [], "tube": [0, 1]}
"""The axes along which a unit solid is at most 1 from its middle; along each of the others too, one by one."""
REACH = {"ball": 1.0, "box": math.sqrt(3), "tube": math.sqrt(2)}
"""How far the corners of a unit solid are from its middle."""

STRAY = 0.03
"""Rays may be bent aside by so much: that is how fur gets its outline."""


@dataclass(frozen=True)
class Solid:
    """A unit solid of a model, and where the model stands: a ball, a box from -1 to 1, a tube along z."""

    kind: Kind
    matrix: Array
    """From the unit solid to the model, (3, 3)."""
    centre: Array
    skin: Skin
    gloss: float = 0.0
    frame: Array = field(default_factory=lambda: np.eye(3))
    """From the model to the scene, (3, 3)."""
    origin: Array = field(default_factory=lambda: np.zeros(3))

    def moved(self, frame: Array, origin: Array) -> Solid:
        """Return the solid where its model is turned and scaled by a matrix, and its middle put at ``origin``."""
        return replace(self, frame=frame @ self.frame, origin=frame @ self.origin + origin)


@dataclass(frozen=True)
class Seen:
    """What rays have met, each (H, W) or (H, W, 3); where they met nothing, depth is infinite."""

    depth: Array
    normal: Array
    colour: Array
    gloss: Array


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Return a rotation, angles in radians: roll about z, then pitch about x, then yaw about y."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def solid(
    kind: Kind,
    size: Sequence[float],
    centre: Sequence[float],
    skin: Skin,
    turn: Array | None = None,
    gloss: float = 0.0,
) -> Solid:
    """Return a solid of a model by its half size along its own axes, its middle, and how it is turned."""
    matrix = (np.eye(3) if turn is None else turn) * np.asarray(size, float)
    return Solid(kind, matrix, np.asarray(centre, float), skin, gloss)


def rays(width: int, height: int, fov: float) -> Array:
    """Return the directions (H, W, 3) of the pixels' rays by the horizontal field of view in degrees."""
    wide = math.tan(math.radians(fov) / 2)
    x = (2 * (np.arange(width) + 0.5) / width - 1) * wide
    y = (2 * (np.arange(height) + 0.5) / height - 1) * wide * height / width
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], 2).astype(np.float32)


def entry(kind: Kind, start: Array, directions: Array) -> tuple[Array, Array]:
    """Return where rays (N, 3) from a point enter a unit solid, infinite where they miss it, and the normals there.

    A solid is where intervals of the ray overlap: one within a ball or an endless tube, one between two planes.
    """
    axes = ROUND[kind]
    flat = [axis for axis in range(3) if axis not in axes]
    spans = ([_within(start, directions, axes)] if axes else []) + [
        _between(start[a], directions[:, a]) for a in flat
    ]
    near, last = np.stack([n for n, _ in spans]), np.min([f for _, f in spans], 0)
    first = near.max(0)
    distance = np.where((first < last) & (first > 0), first, np.inf)
    points = start + np.where(np.isfinite(distance), distance, 0)[:, None] * directions
    limits = [axes, *([a] for a in flat)] if axes else [[a] for a in flat]
    bounding = near.argmax(0)
    normals = np.zeros_like(points)
    for place, along in enumerate(limits):
        normals[:, along] = np.where((bounding == place)[:, None], points[:, along], normals[:, along])
    return distance, normals


def _within(start: Array, directions: Array, axes: list[int]) -> tuple[Array, Array]:
    d, o = directions[:, axes], start[axes]
    a, b, c = (d * d).sum(1) + 1e-12, d @ o, o @ o - 1
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    hit = discriminant > 0
    return np.where(hit, (-b - root) / a, np.inf), np.where(hit, (-b + root) / a, -np.inf)


def _between(start: float, direction: Array) -> tuple[Array, Array]:
    slope = np.where(np.abs(direction) < 1e-9, 1e-9, direction)
    ends = np.stack([(-1 - start) / slope, (1 - start) / slope])
    return ends.min(0), ends.max(0)


def cast(solids: Sequence[Solid], directions: Array) -> Seen:
    """Cast rays (H, W, 3) at solids."""
    depth = np.full(directions.shape[:2], np.inf, np.float32)
    normal, colour = np.zeros_like(directions), np.zeros_like(directions)
    gloss, owner = np.zeros_like(depth), np.full(depth.shape, -1)
    for place, one in enumerate(solids):
        window = _window(one, directions)
        if window is None:
            continue
        found, normals = _meet(one, directions[window].reshape(-1, 3))
        shape = depth[window].shape
        nearer = found.reshape(shape) < depth[window]
        depth[window][nearer] = found.reshape(shape)[nearer]
        normal[window][nearer] = normals.reshape(*shape, 3)[nearer]
        owner[window][nearer] = place
    for place in np.unique(owner[owner >= 0]):
        one, mine = solids[place], owner == place
        model = _to(one.frame, directions[mine] * depth[mine][:, None] - one.origin)
        unit = _to(one.matrix, model - one.centre)
        colour[mine] = one.skin(unit, model)
        gloss[mine] = one.gloss
    return Seen(depth, normal, colour, gloss)


def _to(matrix: Array, points: Array) -> Array:
    """Return points (N, 3) as the coordinates that a matrix turns into them."""
    return np.asarray(points.astype(np.float32) @ np.linalg.inv(matrix).T.astype(np.float32))


def _meet(one: Solid, directions: Array) -> tuple[Array, Array]:
    """Return distances along rays from the camera, and normals in the scene."""
    inverse = np.linalg.inv(one.frame @ one.matrix)
    start = -inverse @ (one.frame @ one.centre + one.origin)
    distance, normals = entry(one.kind, start.astype(np.float32), _to(one.frame @ one.matrix, directions))
    normals = normals @ inverse.astype(np.float32)
    return distance, normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def _window(one: Solid, directions: Array) -> tuple[slice, slice] | None:
    """Return rows and columns that hold all rays that can meet a solid; None if there are none."""
    matrix = one.frame @ one.matrix
    x, y, z = one.frame @ one.centre + one.origin
    radius = np.linalg.norm(matrix, 2) * REACH[one.kind]
    if z + radius <= 0:
        return None
    if z - radius < 0.05 * radius:  # it reaches to the camera, or behind it
        return slice(None), slice(None)
    found = []
    for value, along in ((y, directions[..., 1].mean(1)), (x, directions[..., 0].mean(0))):
        low = min((value - radius) / (z + s * radius) for s in (-1, 1)) - STRAY
        high = max((value + radius) / (z + s * radius) for s in (-1, 1)) + STRAY
        inside = np.flatnonzero((along >= low) & (along <= high))
        if not inside.size:
            return None
        found.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return found[0], found[1]
