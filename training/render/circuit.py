"""TORCS's tracks: a road with what stands beside it, and views along it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ac3d
from .camera import Stand, View, pick_lens, through
from .materials import blank, cut_out, load_image, surface
from .parameters import OPEN_LENSES
from .parts import Part
from .scenes import Kit, Scene
from .stage import mesh_of, pose

ROAD = re.compile(r"road|asph|tr-|dirt|concrete|track|tarmac|street", re.IGNORECASE)
AHEAD = (8.0, 40.0)
"""So far along the road a view looks."""
LEVEL = 0.8
"""The least height of the normal of what a road may be, of 1."""
Array = NDArray[np.float64]


def tracks(folder: Path) -> list[Path]:
    """Return the files of the tracks, in a fixed order."""
    return sorted(path for path in folder.glob("*/*/*.ac*") if path.stem == path.parent.name)


def build(kit: Kit) -> Scene:
    """Build the track that the seed stands for."""
    files = tracks(kit.assets.circuits)
    path = files[kit.seed % len(files)]
    places = (path.parent, kit.assets.circuits.parent / "data/textures")
    road = []
    for part in _merged(ac3d.read(path.read_text(encoding="latin1"))):
        image = next(
            (p for place in places if (p := place / f"{Path(part.texture).stem}.png").is_file()), None
        )
        if image is not None:
            kit.stage.instance([mesh_of(part, _look(image))], pose((0, 0, 0)))
            if ROAD.search(part.texture):
                road.append(_level(part))
    middles = np.concatenate(road) if road else np.zeros((0, 3))
    if len(middles) < 2:
        raise ValueError(f"{path} has no road")
    kit.daylight()
    return Scene("circuit", path.stem, lambda: _view(kit, middles), kit.daylight, apart=12)


def _merged(parts: Sequence[Part]) -> list[Part]:
    """Return one part for each texture, z up: the files have thousands."""
    alike: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        alike[part.texture].append(part)
    merged = []
    for texture, found in alike.items():
        starts = np.cumsum([0, *(len(part.points) for part in found[:-1])])
        triangles = [p.triangles + start for p, start in zip(found, starts, strict=True)]
        points, uv = (np.concatenate([getattr(p, name) for p in found]) for name in ("points", "uv"))
        points = points[:, [0, 2, 1]] * np.array((1, -1, 1), np.float32)
        merged.append(Part(points, uv, np.concatenate(triangles).astype(np.int32), texture, opaque=False))
    return merged


def _look(path: Path) -> Any:
    material = blank(roughness=0.9)
    image = material.node_tree.nodes.new("ShaderNodeTexImage")
    image.image = load_image(path)
    material.node_tree.links.new(image.outputs[0], surface(material).inputs["Base Color"])
    if image.image.channels == 4:
        cut_out(material, image.outputs[1])
    return material


def _level(part: Part) -> Array:
    """Return the middles of a part's level triangles, (N, 3)."""
    corners = part.points[part.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    level = np.abs(normals[:, 2]) > LEVEL * np.maximum(lengths, 1e-9)
    return np.asarray(corners[level & (lengths > 1e-6)].mean(1))


def _view(kit: Kit, road: Array) -> View | None:
    rng, lens = kit.rng, pick_lens(OPEN_LENSES, kit.rng)
    place = road[rng.randrange(len(road))]
    ahead = _ahead(road, place, rng)
    if ahead is None:
        return None
    yaw = math.atan2(ahead[1] - place[1], ahead[0] - place[0]) + rng.gauss(0, 0.5)
    x, y = (float(v) + rng.gauss(0, 4) for v in place[:2])
    hit = kit.stage.cast((x, y, float(place[2]) + rng.choice((3, 3, 12))), (0, 0, -1))
    if hit is None:
        return None
    ground = tuple(hit[0])
    view = through(lens, Stand(ground, yaw), rng)
    above = kit.stage.cast((*ground[:2], ground[2] + 0.05), (0, 0, 1), view.position[2] - ground[2] + 0.3)
    return None if above else view


def _ahead(road: Array, place: Array, rng: Random) -> Array | None:
    """Draw another place of the road, some way off."""
    distances = np.linalg.norm(road[:, :2] - place[:2], axis=1)
    near = np.flatnonzero((distances > AHEAD[0]) & (distances < AHEAD[1]))
    return np.asarray(road[rng.choice(near.tolist())]) if near.size else None
