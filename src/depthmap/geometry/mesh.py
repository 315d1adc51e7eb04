"""The surface that a picture shows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from .edges import inverse_of, joined, sharpened
from .points import points

Float32 = NDArray[np.float32]

LONGEST = 1000
"""Vertices along the longer side of a mesh, at most."""
_BLUR = 100  # networks blur edges over about this share of the longer side, to either side
# Corners of a block: 0 1 above, 2 3 below. Triangles run counter-clockwise as the camera sees them.
_FALLING = ((0, 2, 1), (1, 2, 3))
_RISING = ((0, 2, 3), (0, 3, 1))
_SIDES = {"above": (0, 1), "below": (2, 3), "left": (0, 2), "right": (1, 3)}


class Mesh(NamedTuple):
    """A surface of triangles.

    ``vertices`` are float32 (V, 3); ``faces`` uint32 (F, 3), counter-clockwise seen from the camera; ``uv`` float32
    (V, 2), where in the picture a vertex is: from (0, 0), the top left corner, to (1, 1); ``units`` of the vertices.
    """

    vertices: Float32
    faces: NDArray[np.uint32]
    uv: Float32
    units: str


def mesh(distances: NDArray[Any], camera: Camera, units: str = "", longest: int = LONGEST) -> Mesh:
    """Return the surface that a picture shows, cut where one object hides another.

    Neighbouring pixels are joined by two triangles for each block of 2 × 2, but not across an edge, where the distance
    jumps (see `depthmap.geometry.edges`), nor at pixels without a finite distance. Blurred edges are made steps first.

    Parameters
    ----------
    distances : array
        Depth along the optical axis (H, W), in any units.
    camera : Camera
        Its intrinsics, in pixels of this map.
    units : str
        Of the distances.
    longest : int
        Vertices along the longer side, at most: of larger maps every second pixel is taken, or every third, and so
        on. So a mesh has at most ``longest`` ** 2 vertices, whatever the size of the picture.

    Returns
    -------
    Mesh
        Vertices as `points` places them: x right, y up, z towards the viewer. Those of no triangle are left out.
    """
    distances = np.asarray(distances)
    height, width = distances.shape
    stride = -(-max(height, width) // longest)
    rows, columns = (np.arange((length - 1) % stride // 2, length, stride) for length in (height, width))
    inverse = inverse_of(distances[np.ix_(rows, columns)])
    inverse = sharpened(inverse, max(1, max(inverse.shape) // _BLUR))
    faces = _faces(inverse)
    used, faces = np.unique(faces, return_inverse=True)
    row, column = rows[used // len(columns)], columns[used % len(columns)]
    uv = np.stack([(column + 0.5) / width, (row + 0.5) / height], axis=-1).astype(np.float32)
    grid = Camera(
        camera.fx / stride,
        camera.fy / stride,
        (camera.cx - columns[0]) / stride,
        (camera.cy - rows[0]) / stride,
    )
    vertices = points(1 / inverse, grid).reshape(-1, 3)[used]
    return Mesh(vertices, faces.reshape(-1, 3).astype(np.uint32), uv, units)


def _faces(inverse: Float32) -> NDArray[np.intp]:
    """Return the triangles (F, 3) of a map as flat indices of its pixels."""
    down, across = joined(inverse, 0), joined(inverse, 1)
    whole = {"above": across[:-1], "below": across[1:], "left": down[:, :-1], "right": down[:, 1:]}
    number = np.arange(inverse.size).reshape(inverse.shape)
    corners = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]], axis=-1)
    kept = {
        triangle: np.logical_and.reduce(
            [whole[side] for side, ends in _SIDES.items() if set(ends) <= set(triangle)]
        )
        for triangle in _FALLING + _RISING
    }
    falling = kept[_FALLING[0]] | kept[_FALLING[1]] | ~(kept[_RISING[0]] | kept[_RISING[1]])
    faces = [
        corners[kept[triangle] & (falling if triangle in _FALLING else ~falling)][:, triangle]
        for triangle in _FALLING + _RISING
    ]
    return np.concatenate(faces)
