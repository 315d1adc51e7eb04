"""Depth in three dimensions: points, surfaces, directions. Pure functions on arrays.

Coordinates are those of glTF and OpenGL: right-handed, x right, y up, z towards the viewer; the camera stands at the
origin and looks along -z.
"""

from __future__ import annotations

from .points import PointCloud, points

__all__ = ["PointCloud", "points"]
