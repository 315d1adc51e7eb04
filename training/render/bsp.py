"""Worlds of Quake III's kind (IBSP 46), as OpenArena's maps are: surfaces by shader, and where players appear."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parts import Part, joined

MAGIC, VERSION = b"IBSP", 46
ENTITIES, SHADERS, VERTICES, CORNERS, FACES = 0, 1, 10, 11, 13
"""Numbers of the lumps that are read."""
VERTEX = np.dtype([("point", "<f4", 3), ("uv", "<f4", 2), ("rest", "V24")])
SHADER = np.dtype([("name", "S64"), ("flags", "<i4"), ("contents", "<i4")])
FACE = np.dtype(
    [
        ("shader", "<i4"),
        ("effect", "<i4"),
        ("kind", "<i4"),
        ("vertex", "<i4"),
        ("vertices", "<i4"),
        ("corner", "<i4"),
        ("corners", "<i4"),
        ("light", "V68"),
        ("size", "<i4", 2),
    ]
)
POLYGON, PATCH, MESH = 1, 2, 3
SKY, NOT_DRAWN = 0x4, 0x80
"""Flags of shaders that are not seen."""
FINENESS = 4
"""Squares along a side of each patch of nine control points."""
UNIT = 1 / 32
"""In metres: a player is 56 units high."""
ORIGIN = re.compile(r'"origin"\s+"(\S+) (\S+) (\S+)"')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
Surface = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]
"""Vertices (N, 3), where they lie in the image (N, 2), and the triangles of their numbers (M, 3)."""
PLACE = re.compile(r'"classname"\s+"(info_player|item_|weapon_|ammo_|team_)')


@dataclass(frozen=True)
class World:
    """A world in metres."""

    parts: list[Part]
    """One for each shader, whose name is its texture; z up."""
    places: NDArray[np.float64]
    """Where players and things appear (N, 3), z up."""


def read(content: bytes) -> World:
    """Read a world.

    Raises ValueError if it is none, or damaged.
    """
    if content[:4] != MAGIC or len(content) < 144 or struct.unpack_from("<i", content, 4) != (VERSION,):
        raise ValueError(f"this is no IBSP file of version {VERSION}")
    try:
        return World(_parts(content), _places(_lump(content, ENTITIES).decode("latin1")))
    except (ValueError, IndexError) as error:
        raise ValueError(f"the IBSP file is damaged: {error}") from None


def _lump(content: bytes, number: int) -> bytes:
    start, length = struct.unpack_from("<ii", content, 8 + 8 * number)
    if min(start, length) < 0 or start + length > len(content):
        raise ValueError(f"lump {number} is not in the file")
    return content[start : start + length]


def _parts(content: bytes) -> list[Part]:
    shaders, vertices, faces = (
        np.frombuffer(_lump(content, lump), kind)
        for lump, kind in ((SHADERS, SHADER), (VERTICES, VERTEX), (FACES, FACE))
    )
    corners = np.frombuffer(_lump(content, CORNERS), "<i4")
    points, uv = (
        vertices["point"] * np.float32(UNIT),
        vertices["uv"] * np.array((1, -1), np.float32) + np.array((0, 1), np.float32),
    )
    found: dict[int, list[Part]] = defaultdict(list)
    for face in faces:
        if shaders[face["shader"]]["flags"] & (SKY | NOT_DRAWN) or face["kind"] not in (POLYGON, PATCH, MESH):
            continue
        chosen = slice(face["vertex"], face["vertex"] + face["vertices"])
        triangles = corners[face["corner"] : face["corner"] + face["corners"]].reshape(-1, 3)
        shape: Surface = (points[chosen], uv[chosen], triangles)
        if face["kind"] == PATCH:
            shape = _patch(*shape[:2], *face["size"])
        if len(shape[2]) and shape[2].max() >= len(shape[0]):
            raise ValueError("a triangle has a vertex that is not there")
        name = shaders[face["shader"]]["name"].split(b"\0")[0].decode("latin1")
        found[int(face["shader"])].append(Part(*shape, name))
    return [joined(parts) for parts in found.values()]


def _patch(points: NDArray[np.float32], uv: NDArray[np.float32], wide: int, high: int) -> Surface:
    """Return triangles of a surface of biquadratic Bézier patches: ``high`` rows of ``wide`` control points."""
    control = np.concatenate([points, uv], 1).reshape(high, wide, 5)
    rows, columns = (_bezier((n - 1) // 2) for n in (high, wide))
    grid = np.einsum("ar,bc,rcx->abx", rows, columns, control[: rows.shape[1], : columns.shape[1]])
    places = np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape[:2])
    a, b, c, d = places[:-1, :-1], places[:-1, 1:], places[1:, 1:], places[1:, :-1]
    triangles = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3).astype(np.int32)
    flat = grid.reshape(-1, 5).astype(np.float32)
    return flat[:, :3], flat[:, 3:], triangles


def _bezier(patches: int) -> NDArray[np.float64]:
    """Return what each control point counts (along, 2 * patches + 1) at places along a row of patches."""
    t = np.arange(FINENESS) / FINENESS
    weights = np.zeros((patches * FINENESS + 1, 2 * patches + 1))
    for patch in range(patches):
        rows = slice(patch * FINENESS, (patch + 1) * FINENESS)
        weights[rows, 2 * patch : 2 * patch + 3] = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t * t], 1)
    weights[-1, -1] = 1
    return weights


def _places(entities: str) -> NDArray[np.float64]:
    origins = [
        [float(value) * UNIT for value in match.groups()]
        for entity in entities.split("}")
        if PLACE.search(entity) and (match := ORIGIN.search(entity))
    ]
    return np.array(origins, np.float64).reshape(-1, 3)


@dataclass(frozen=True)
class Shader:
    """What a surface with a shader looks like."""

    image: str
    """The name of its image, without an ending."""
    cut_out: bool
    solid: bool
    """It is neither light nor fog nor invisible."""


def shaders(script: str) -> dict[str, Shader]:
    """Read a script of shaders: of each the first image counts."""
    words = COMMENT.sub("", script)
    found: dict[str, Shader] = {}
    name, depth = "", 0
    body: list[list[str]] = []
    for line in (line.strip() for line in words.replace("{", "\n{\n").replace("}", "\n}\n").splitlines()):
        if line == "{":
            depth += 1
        elif line == "}":
            depth -= 1
            if depth == 0:
                found[name.lower()] = _shader(name, body)
                body = []
        elif line and depth == 0:
            name = line.split()[0]
        elif line:
            body.append(line.lower().split())
    return found


def _shader(name: str, body: list[list[str]]) -> Shader:
    images = [
        line[1 if line[0] != "animmap" else 2]
        for line in body
        if line[0] in ("map", "clampmap", "animmap") and len(line) > 1 and not line[-1].startswith(("$", "*"))
    ]
    params = {line[1] for line in body if line[0] == "surfaceparm" and len(line) > 1}
    blends = [line for line in body if line[0] == "blendfunc"]
    shining = bool(blends) and all("add" in b or "gl_one" in b[1:2] for b in blends) and len(images) < 2
    cut = any(line[0] == "alphafunc" for line in body)
    image = re.sub(r"\.\w+$", "", images[0]) if images else name.lower()
    return Shader(image, cut, not shining and not params & {"sky", "nodraw", "fog"})
