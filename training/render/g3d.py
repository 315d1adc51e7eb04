"""MegaGlest's meshes (G3D, version 4), as they are in their first frame."""

from __future__ import annotations

import struct

import numpy as np

from .parts import Part

MAGIC, VERSION = b"G3D", 4
HEADER, MESH = "<HB", "<64sIII8fII"
TEAM_COLOURS = 1
"""The texture's alpha is where a team's colour goes."""
NAME = 64


def read(content: bytes) -> list[Part]:
    """Read the parts of a model.

    Raises ValueError if it is none, or damaged.
    """
    if content[:3] != MAGIC or len(content) < 7 or content[3] != VERSION:
        raise ValueError(f"this is no G3D file of version {VERSION}")
    number, _ = struct.unpack_from(HEADER, content, 4)
    at, parts = 4 + struct.calcsize(HEADER), []
    for _ in range(number):
        try:
            part, at = _part(content, at)
        except (struct.error, ValueError) as error:
            raise ValueError(f"the G3D file is damaged: {error}") from None
        parts.append(part)
    return parts


def _part(content: bytes, at: int) -> tuple[Part, int]:
    fields = struct.unpack_from(MESH, content, at)
    frames, vertices, indices = fields[1:4]
    properties, textures = fields[-2:]
    at += struct.calcsize(MESH)
    names = []
    for bit in range(8):
        if textures >> bit & 1:
            names.append(content[at : at + NAME].split(b"\0")[0].decode("latin1"))
            at += NAME
    points = np.frombuffer(content, np.float32, vertices * 3, at).reshape(-1, 3)
    at += 2 * frames * vertices * 12
    uv = np.zeros((vertices, 2), np.float32)
    if textures:
        uv = np.frombuffer(content, np.float32, vertices * 2, at).reshape(-1, 2)
        at += vertices * 8
    triangles = np.frombuffer(content, np.uint32, indices, at).astype(np.int32).reshape(-1, 3)
    if indices and triangles.max() >= vertices:
        raise ValueError("a triangle has a vertex that is not there")
    texture = names[0] if textures & 1 else ""
    return Part(points, uv, triangles, texture, bool(properties & TEAM_COLOURS)), at + indices * 4
