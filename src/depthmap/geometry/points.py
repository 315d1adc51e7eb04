"""The points that a picture shows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera

Float32 = NDArray[np.float32]


class PointCloud(NamedTuple):
    """Points in space: ``xyz`` float32 (N, 3); ``colours`` sRGB uint8 (N, 3), or None; ``units`` "metres", or which."""

    xyz: Float32
    colours: NDArray[np.uint8] | None
    units: str


def points(distances: NDArray[Any], camera: Camera) -> Float32:
    """Return the point that each pixel shows, float32 (H, W, 3): x right, y up, z towards the viewer.

    Parameters
    ----------
    distances : array
        Depth along the optical axis (H, W), in any units; where it is NaN or infinite so is the point.
    camera : Camera
        Its intrinsics, in pixels of this map.
    """
    z = np.asarray(distances, np.float32)
    rows, columns = (np.arange(length, dtype=np.float32) for length in z.shape)
    with np.errstate(invalid="ignore"):  # infinity straight ahead
        x = (columns - np.float32(camera.cx)) / np.float32(camera.fx) * z
        y = (np.float32(camera.cy) - rows[:, None]) / np.float32(camera.fy) * z
    return np.stack([x, y, -z], axis=-1)
