"""Which way the surface faces that each pixel shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from .edges import TEAR, inverse_of, joined, jumps

Float32 = NDArray[np.float32]

_ALIKE = np.float32(np.cos(np.radians(60)))  # directions farther apart than this are of different surfaces
_ROWS = 256  # a block of rows needs little memory beside the map
_JUMP = 4  # a step across an edge is that much worse than one before or after which the surface bends
_SMALL = np.float32(5e-4)  # what a network's map ripples by, about, from pixel to pixel, as a share


def normals(distances: NDArray[Any], camera: Camera, reach: int = 0) -> Float32:
    """Return the unit normal of the surface at each pixel, float32 (H, W, 3), on the side that the camera sees.

    x is right, y up, z towards the viewer: (0, 0, 1) faces the camera. NaN where it is unknown: at pixels without a
    finite distance, and at those that have no neighbour on their own surface, in a row or in a column.

    Parameters
    ----------
    distances : array
        Depth along the optical axis (H, W), in any units.
    camera : Camera
        Its intrinsics, in pixels of this map.
    reach : int
        How far the ripples of a network's map are smoothed, in pixels, on the same surface. Corners stay sharp: what
        faces away by 60 degrees or more counts nothing, and the less it faces away the more it counts.

    Notes
    -----
    Inverse depth of a plane is ``a u + b v + c``, with u and v the directions of the pixel's ray; its normal is
    ``(-a, -b, c)``. So planes are exact, however slanted, and a slope may be taken to either side: it is taken where
    the surface goes on smoothly, never across an edge.
    """
    distances = np.asarray(distances)
    height, width = distances.shape
    unit = np.empty((height, width, 3), np.float32)
    margin = 2 * reach + 4
    for top in range(0, height, _ROWS):
        first, end = max(0, top - margin), min(height, top + _ROWS)
        inverse = inverse_of(distances[first : end + margin])
        planes = _smoothed(_normals(inverse, camera, first), inverse, reach)
        unit[top:end] = np.moveaxis(planes, 0, -1)[top - first : end - first]
    return unit


def _normals(inverse: Float32, camera: Camera, first: int) -> Float32:
    """Return unit normals (3, H, W) of rows of a map, of which the first is given."""
    rows, columns = (np.arange(length, dtype=np.float32) for length in inverse.shape)
    u = (columns - np.float32(camera.cx)) / np.float32(camera.fx)
    v = (np.float32(camera.cy - first) - rows[:, None]) / np.float32(camera.fy)
    a, b = _slope(inverse, 1) * np.float32(camera.fx), _slope(inverse, 0) * np.float32(-camera.fy)
    return _unit(np.stack([-a, -b, inverse - a * u - b * v]))


def _slope(inverse: Float32, axis: int) -> Float32:
    """Return the change from pixel to pixel along an axis: of the steps before and after, the smoother counts."""
    ahead = np.moveaxis(inverse, axis, -1)
    step = np.diff(ahead, axis=-1)
    jump = np.moveaxis(jumps(inverse, axis), axis, -1)
    rough = np.where(jump <= TEAR, _JUMP * jump + _SMALL, np.inf)
    bend = np.nan_to_num(np.abs(np.diff(step, axis=-1)) / ahead[:, 1:-1], nan=0.0)
    sides = [np.pad(rough, ((0, 0), side), constant_values=np.inf) for side in ((1, 0), (0, 1))]
    sides[0][:, 2:] += bend
    sides[1][:, :-2] += bend
    steps = [np.pad(np.nan_to_num(step), ((0, 0), side)) for side in ((1, 0), (0, 1))]
    weights = [1 / np.square(np.square(side)) for side in sides]
    with np.errstate(invalid="ignore"):
        slope = (steps[0] * weights[0] + steps[1] * weights[1]) / (weights[0] + weights[1])
    return np.moveaxis(slope, -1, axis)


def _smoothed(planes: Float32, inverse: Float32, reach: int) -> Float32:
    """Return unit normals (3, H, W), each mixed with those around that are alike and on the same surface."""
    together = [joined(inverse, axis) for axis in (0, 1)]
    unknown = np.isnan(planes[0])
    planes[:, unknown] = 0
    distance = 1
    while distance <= reach:
        for axis in (0, 1):
            planes = _mixed(planes, together[axis], axis, distance)
            near = np.moveaxis(together[axis], axis, 0)
            together[axis] = np.moveaxis(near[:-distance] & near[distance:], 0, axis)
        distance *= 2
    planes[:, unknown] = np.nan
    return planes


def _mixed(planes: Float32, together: NDArray[np.bool_], axis: int, distance: int) -> Float32:
    """Return each normal (3, H, W) mixed with the two at a distance along an axis."""
    first, last = [
        (slice(None),) * (axis + 1) + (part,) for part in (slice(-distance), slice(distance, None))
    ]
    before, after = planes[first], planes[last]
    weight = before[0] * after[0]
    weight += before[1] * after[1]
    weight += before[2] * after[2]
    weight -= _ALIKE
    np.maximum(weight, 0, out=weight)
    weight *= together / (1 - _ALIKE)
    total = planes.copy()
    total[first] += weight * after
    total[last] += weight * before
    return _unit(total)


def _unit(planes: Float32) -> Float32:
    """Return vectors (3, H, W) at length 1; NaN and 0 stay."""
    length = np.sqrt(planes[0] * planes[0] + planes[1] * planes[1] + planes[2] * planes[2])
    planes /= np.maximum(length, np.float32(1e-30))
    return planes
