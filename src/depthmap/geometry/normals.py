"""Which way the surface faces that each pixel shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from .edges import TEAR, inverse_of, jumps

Float32 = NDArray[np.float32]

_ALIKE = np.float32(np.cos(np.radians(30)))  # directions farther apart than this are of different surfaces
_SMALL = np.float32(1e-4)  # differences below it, as a share, are not told from rounding


def normals(distances: NDArray[Any], camera: Camera) -> Float32:
    """Return the unit normal of the surface at each pixel, float32 (H, W, 3), on the side that the camera sees.

    x is right, y up, z towards the viewer: (0, 0, 1) faces the camera. NaN where it is unknown: at pixels without a
    finite distance, and at those that have no neighbour on their own surface, in a row or in a column.

    Parameters
    ----------
    distances : array
        Depth along the optical axis (H, W), in any units.
    camera : Camera
        Its intrinsics, in pixels of this map.

    Notes
    -----
    Inverse depth of a plane is ``a u + b v + c``, with u and v the directions of the pixel's ray; its normal is
    ``(-a, -b, c)``. So planes are exact, however slanted, and a slope may be taken to either side: it is taken where
    the surface goes on smoothly, never across an edge.
    """
    inverse = inverse_of(distances)
    rows, columns = (np.arange(length, dtype=np.float32) for length in inverse.shape)
    u = (columns - np.float32(camera.cx)) / np.float32(camera.fx)
    v = (np.float32(camera.cy) - rows[:, None]) / np.float32(camera.fy)
    a, b = _slope(inverse, 1) * np.float32(camera.fx), _slope(inverse, 0) * np.float32(-camera.fy)
    facing = np.stack([-a, -b, inverse - a * u - b * v], axis=-1)
    unit: Float32 = facing / np.linalg.norm(facing, axis=-1, keepdims=True)
    return unit


def _slope(inverse: Float32, axis: int) -> Float32:
    """Return the change from pixel to pixel along an axis: of the steps before and after, the smoother counts."""
    ahead = np.moveaxis(inverse, axis, -1)
    edge = ((0, 0), (1, 1))
    step = np.pad(np.diff(ahead, axis=-1), edge, constant_values=np.nan)
    jump = np.pad(np.moveaxis(jumps(inverse, axis), axis, -1), edge, constant_values=np.nan)
    weight = np.where(jump <= TEAR, (jump + _SMALL) ** -2, 0)
    step = np.where(weight > 0, step, 0)
    total = weight[:, :-1] + weight[:, 1:]
    with np.errstate(invalid="ignore"):
        slope = (step[:, :-1] * weight[:, :-1] + step[:, 1:] * weight[:, 1:]) / total
    return np.moveaxis(slope, -1, axis)


def smoothed(facing: Float32, reach: int) -> Float32:
    """Return unit normals without the ripples of a network's map: each mixed with those around that are alike.

    Parameters
    ----------
    facing : array
        Unit normals (H, W, 3), NaN where unknown, which they stay.
    reach : int
        How far to go, in pixels; 0 changes nothing. Corners stay sharp: normals 30 degrees apart do not mix.
    """
    distance = 1
    while distance <= reach:
        for axis in (0, 1):
            facing = _mixed(facing, axis, distance)
        distance *= 2
    return facing


def _mixed(facing: Float32, axis: int, distance: int) -> Float32:
    """Return each normal mixed with the two at a distance along an axis."""
    total = facing.copy()
    sums, ahead = np.moveaxis(total, axis, 0), np.moveaxis(facing, axis, 0)
    before, after = ahead[:-distance], ahead[distance:]
    alike = np.einsum("...c,...c->...", before, after)
    weight = np.nan_to_num(np.maximum((alike - _ALIKE) / (1 - _ALIKE), 0))[..., None]
    sums[:-distance] += weight * np.nan_to_num(after)
    sums[distance:] += weight * np.nan_to_num(before)
    unit: Float32 = total / np.linalg.norm(total, axis=-1, keepdims=True)
    return unit
