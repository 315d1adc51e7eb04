"""Depth in three dimensions: points, surfaces, directions, and what two eyes see. Pure functions on arrays.

Coordinates are those of glTF and OpenGL: right-handed, x right, y up, z towards the viewer; the camera stands at the
origin and looks along -z.
"""

from __future__ import annotations

from .mesh import Mesh, mesh
from .normals import normals
from .points import PointCloud, points
from .stereo import Stereo, anaglyph, stereo

__all__ = ["Mesh", "PointCloud", "Stereo", "anaglyph", "mesh", "normals", "points", "stereo"]
