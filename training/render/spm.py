"""SuperTuxKart's meshes (SPM) and scenes (XML), read without Blender."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .parameters import HELD_OUT_TRACKS
from .parts import Part

NO_TRACK = ("cutscene", "featunlocked", "gplose", "gpwin")
HEADER = 4 + 24
SKINNED, NORMALS, COLOURS, TANGENTS = 1, 1, 2, 4
WHITE = 128
"""The code of a vertex without a colour of its own."""


def tracks(folder: Path) -> list[str]:
    """Return the tracks that may be rendered, in a fixed order."""
    names = sorted(path.parent.name for path in (folder / "tracks").glob("*/scene.xml"))
    return [n for n in names if not any(part in n for part in NO_TRACK) and n not in HELD_OUT_TRACKS]


def scene_of(folder: Path, track: str) -> Path:
    """Return the file of a track's scene."""
    if track in HELD_OUT_TRACKS:
        raise ValueError(f"{track} is a track of the validation set: it must not be rendered")
    return folder / "tracks" / track / "scene.xml"


def track_of(folder: Path, seed: int) -> str:
    """Return the track that a seed stands for."""
    names = tracks(folder)
    if not names:
        raise FileNotFoundError(f"{folder} holds no tracks")
    return names[seed % len(names)]


class _Cursor:
    """Reads numbers one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, HEADER

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.content, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        (length,) = self.take("B")
        self.at += length
        return self.content[self.at - length : self.at].decode("latin1")


def read(path: Path) -> list[Part]:
    """Read the parts of a static mesh. A texture without a name is none."""
    content = path.read_bytes()
    if content[:2] != b"SP":
        raise ValueError(f"{path} is no SPM file")
    skinned, flags, cursor = content[2] & ~8 == SKINNED, content[3], _Cursor(content)
    textures = [(cursor.text(), cursor.text()) for _ in range(cursor.take("H")[0])]
    parts = []
    for _ in range(cursor.take("H")[0]):
        for _ in range(cursor.take("H")[0]):
            vertices, indices, texture = cursor.take("IIH")
            first, second = textures[texture]
            before = 12 + (4 if flags & NORMALS else 0)
            after = 4 * bool(first) + 4 * bool(first and second) + 4 * bool(first and flags & TANGENTS)
            after += 16 * skinned
            rows = _rows(cursor, vertices, before, after, coloured=bool(flags & COLOURS))
            points = np.ascontiguousarray(rows[:, :12]).view(np.float32)
            uv = np.zeros((vertices, 2), np.float32)
            if first:
                uv[:] = np.ascontiguousarray(rows[:, before : before + 4]).view(np.float16)
                uv[:, 1] = 1 - uv[:, 1]  # it counts from the image's top
            kind = np.dtype(np.uint16 if vertices > 255 else np.uint8)
            triangles = np.frombuffer(content, kind, indices, cursor.at).astype(np.int32).reshape(-1, 3)
            cursor.at += indices * kind.itemsize
            parts.append(Part(points, uv, triangles, first))
    return parts


def _rows(cursor: _Cursor, number: int, before: int, after: int, coloured: bool) -> NDArray[np.uint8]:
    """Return the vertices' bytes without their colours, whose length varies."""
    if not coloured:
        rows = np.frombuffer(cursor.content, np.uint8, number * (before + after), cursor.at)
        cursor.at += rows.size
        return rows.reshape(number, -1)
    rows = np.empty((number, before + after), np.uint8)
    content = np.frombuffer(cursor.content, np.uint8)
    for row in rows:
        skip = before + (1 if content[cursor.at + before] == WHITE else 4)
        row[:before] = content[cursor.at : cursor.at + before]
        row[before:] = content[cursor.at + skip : cursor.at + skip + after]
        cursor.at += skip + after
    return rows


def numbers(text: str) -> list[float]:
    """Read numbers separated by spaces."""
    return [float(word) for word in text.split()]


def quads(track: Path) -> list[NDArray[np.float64]]:
    """Return the middles of the quads that lead along a track; arenas have none."""
    path = track / "quads.xml"
    if not path.exists():
        return []
    corners: list[list[list[float]]] = []
    for quad in ET.parse(path).getroot().iter("quad"):
        values = [quad.get(f"p{i}") for i in range(4)]
        if None not in values:
            corners.append([_corner(value, corners) for value in values if value])
    return [np.mean([corner[:3] for corner in quad], 0) for quad in corners if len(quad) == 4]


def _corner(text: str, corners: list[list[list[float]]]) -> list[float]:
    """Read a corner: three numbers, or ``quad:corner``, one that was given before."""
    if ":" not in text:
        return numbers(text)
    quad, corner = map(int, text.split(":"))
    return corners[quad][corner]


def materials(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the names and attributes of the materials of a folder."""
    path = folder / "materials.xml"
    if path.exists():
        for entry in ET.parse(path).getroot().iter("material"):
            if name := entry.get("name"):
                yield name.lower(), dict(entry.attrib)
