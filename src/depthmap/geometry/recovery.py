"""The distance and the focal length that a map of points lacks.

Some networks give points whose distance to the camera is off by one number for the whole picture, and whose rays are
those of a camera of unknown focal length. Both follow from where the points are seen in the picture.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .least_squares import least_squares

Float64 = NDArray[np.float64]

SIDE = 64
"""As many rows and columns of the picture are looked at."""
_TOLERANCE = 1e-3
_UNKNOWN = (1.0, 0.0)
"""Focal length and shift where there are no points to tell."""


def focal_and_shift(
    x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], seen: NDArray[np.bool_], focal: float | None = None
) -> tuple[float, float]:
    """Return the focal length, and what is to be added to z, for which the points lie where they are seen.

    Parameters
    ----------
    x, y, z : array
        Points (H, W) each, in any units: x right, y down, z away from the viewer.
    seen : array
        Bool (H, W): False where there is no point.
    focal : float, optional
        The focal length, where it is known.

    Returns
    -------
    tuple of float
        The focal length, where half the diagonal of the picture is 1, and the shift in the units of z. 1, or the focal
        length that is known, and 0 where fewer than two points are seen.
    """
    height, width = z.shape
    rows, columns = (np.arange(SIDE) * length // SIDE for length in (height, width))
    place = np.ix_(rows, columns)
    seen = seen[place]
    if seen.sum() < 2:
        return focal or _UNKNOWN[0], _UNKNOWN[1]
    diagonal = math.hypot(width, height)
    u, v = np.meshgrid((2 * columns + 1 - width) / diagonal, (2 * rows + 1 - height) / diagonal)
    uv: Float64 = np.concatenate((u[seen], v[seen]))
    xy, zz = (
        np.concatenate((a[place][seen], b[place][seen])).astype(np.float64) for a, b in ((x, y), (z, z))
    )

    def projected(shift: float) -> tuple[Float64, float]:
        """Return x / z and y / z, and the focal length that brings them nearest to where they are seen."""
        slope: Float64 = xy / (zz + shift)
        return slope, float(slope @ uv / (slope @ slope)) if focal is None else focal

    def residuals(shift: float) -> Float64:
        slope, length = projected(shift)
        return slope * length - uv

    # A shift that brings a point to the camera divides by 0, and is not taken.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shift = least_squares(residuals, _TOLERANCE)
        length = projected(shift)[1]
    return (length, shift) if 0 < length < math.inf else _UNKNOWN
