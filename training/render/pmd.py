"""0 A.D.'s meshes (PMD, versions 1 to 4): one part, and the points that props are attached to."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC, NEWEST = b"PSMD", 4
BLEND = 4 + 16
"""Bytes of a vertex that tie it to bones."""
BONE = 7 * 4
NO_BONE = 0xFF


@dataclass(frozen=True)
class Mesh:
    """A mesh in its own axes, y up."""

    points: NDArray[np.float32]
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]
    places: dict[str, NDArray[np.float64]]
    """By the name of an attachment: the matrix (4, 4) that puts a prop there. Those of bones are left out."""


def read(content: bytes) -> Mesh:
    """Read a mesh.

    Raises ValueError if it is none, or ends too early.
    """
    if content[:4] != MAGIC:
        raise ValueError("this is no PMD file")
    try:
        return _read(content)
    except struct.error as error:
        raise ValueError(f"the PMD file ends too early: {error}") from None


def _read(content: bytes) -> Mesh:
    version, _, number = struct.unpack_from("<III", content, 4)
    if version > NEWEST:
        raise ValueError(f"a PMD file of version {version} is not known")
    at, layers = 16, 1
    if version >= 4:
        (layers,) = struct.unpack_from("<I", content, at)
        at += 4
    row = 24 + 8 * layers + BLEND
    rows = _array(content, np.uint8, number * row, at).reshape(number, row)
    at += rows.size
    (faces,) = struct.unpack_from("<I", content, at)
    triangles = _array(content, np.uint16, faces * 3, at + 4).astype(np.int32).reshape(-1, 3)
    at += 4 + faces * 6
    (bones,) = struct.unpack_from("<I", content, at)
    at += 4 + bones * BONE
    points = np.ascontiguousarray(rows[:, :12]).view(np.float32)
    uv = np.ascontiguousarray(rows[:, 24:32]).view(np.float32)
    return Mesh(points, uv, triangles, _places(content, at) if version >= 2 else {})


def _array(content: bytes, kind: type[np.generic], number: int, at: int) -> NDArray[np.generic]:
    if at + number * np.dtype(kind).itemsize > len(content):
        raise ValueError("the PMD file ends too early")
    return np.frombuffer(content, kind, number, at)


def _places(content: bytes, at: int) -> dict[str, NDArray[np.float64]]:
    (number,) = struct.unpack_from("<I", content, at)
    at += 4
    places = {}
    for _ in range(number):
        (length,) = struct.unpack_from("<I", content, at)
        name = content[at + 4 : at + 4 + length].decode("latin1")
        *values, bone = struct.unpack_from("<7fB", content, at + 4 + length)
        at += 4 + length + 29
        if bone == NO_BONE:
            places[name] = _matrix(values[:3], values[3:])
    return places


def _matrix(position: list[float], turn: list[float]) -> NDArray[np.float64]:
    """Return the matrix of a turn, a quaternion x, y, z, w, and a move."""
    x, y, z, w = turn
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = position
    return matrix
