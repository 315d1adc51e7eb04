"""AC3D's models, and TORCS's kind of them (.acc), which has triangle strips and several layers of texture."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from .parts import Part

MAGIC = "AC3D"
KIND, POLYGON, STRIP = 0xF, 0, 4
"""What a surface's flags say of its kind; lines are others."""
BASE = "base"
NO_TEXTURE = "empty_texture_no_mapping"
Ref = tuple[int, float, float]


def read(text: str) -> list[Part]:
    """Read the parts of a model. Objects that are moved by a matrix of their own are not: tracks have none.

    Raises ValueError if it is none.
    """
    if not text.startswith(MAGIC):
        raise ValueError("this is no AC3D file")
    lines = iter(text.splitlines())
    parts: list[Part] = []
    texture, points = "", np.zeros((0, 3), np.float32)
    corners: list[list[Ref]] = []
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "OBJECT":
            texture, points, corners = "", np.zeros((0, 3), np.float32), []
        elif word == "texture":
            texture = _texture(rest, texture)
        elif word == "numvert":
            values = [next(lines).split()[:3] for _ in range(int(rest))]
            points = np.array(values, np.float32).reshape(-1, 3)
        elif word == "SURF":
            corners += _triangles(int(rest, 16) & KIND, _refs(lines))
        elif word == "kids" and corners:
            parts.append(_part(points, corners, texture))
            corners = []
    return parts


def _texture(rest: str, current: str) -> str:
    """Return an object's texture after a line about it: of several layers the base counts."""
    name, *layer = shlex.split(rest)
    if layer not in ([], [BASE]):
        return current
    return "" if name == NO_TEXTURE else name


def _refs(lines: Iterator[str]) -> list[Ref]:
    """Return the corners of a surface: a vertex and its texture coordinates."""
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "refs":
            rows = (next(lines).split() for _ in range(int(rest)))
            return [(int(row[0]), float(row[1]), float(row[2])) for row in rows]
    return []


def _triangles(kind: int, refs: Sequence[Ref]) -> list[list[Ref]]:
    if kind == POLYGON:
        return [[refs[0], refs[i], refs[i + 1]] for i in range(1, len(refs) - 1)]
    if kind == STRIP:
        return [list(refs[i : i + 3]) for i in range(len(refs) - 2)]
    return []


def _part(points: np.ndarray, corners: list[list[Ref]], texture: str) -> Part:
    flat = np.array(corners, np.float64).reshape(-1, 3)
    places = points[flat[:, 0].astype(int)]
    triangles = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    return Part(places, flat[:, 1:].astype(np.float32), triangles, texture, opaque=False)
