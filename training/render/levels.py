"""Whole worlds of other games: TORCS's tracks and OpenArena's arenas, and views between places in them."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ac3d, bsp
from .camera import Stand, View, pick_lens, through
from .games import ARENA_LOOKS
from .materials import blank, cut_out, load_image, surface
from .parameters import OPEN_LENSES
from .parts import Part, joined, z_up
from .scenes import Kit, Scene
from .stage import mesh_of, pose

ROAD = re.compile(r"road|asph|tr-|dirt|concrete|track|tarmac|street", re.IGNORECASE)
AHEAD = (5.0, 40.0)
"""So far away is the other place that a view looks to."""
LEVEL = 0.8
"""The least height of the normal of what a road may be, of 1."""
Array = NDArray[np.float64]
Look = Callable[[str], Any]
"""Returns the material for the name of a texture, None for what is not seen."""


def circuit(kit: Kit) -> Scene:
    """Build the track of TORCS that the seed stands for."""
    folder = kit.assets.circuits
    path = _chosen(kit, [p for p in folder.glob("*/*/*.ac*") if p.stem == p.parent.name])
    images = (path.parent, folder.parent / "data/textures")

    def look(texture: str) -> Any:
        found = (p for place in images if (p := place / f"{Path(texture).stem}.png").is_file())
        return _material(next(found, None), holes=True)

    alike: dict[str, list[Part]] = defaultdict(list)
    for part in ac3d.read(path.read_text(encoding="latin1")):
        alike[part.texture].append(part)
    parts = [z_up(joined(found)) for found in alike.values()]  # the files have thousands
    _put(kit, parts, look)
    road = np.concatenate([_level(part) for part in parts if ROAD.search(part.texture)])
    return _scene(kit, "circuit", path, road, spread=4.0)


def arena(kit: Kit) -> Scene:
    """Build the map of OpenArena that the seed stands for."""
    folder = kit.assets.arenas
    path = _chosen(kit, folder.glob("maps/*.bsp"))
    looks: dict[str, tuple[str, bool]] = json.loads((folder / ARENA_LOOKS).read_text())

    def look(texture: str) -> Any:
        image, holes = looks.get(texture.lower(), (None, False))
        return _material(folder / image if image else None, holes)

    world = bsp.read(path.read_bytes())
    _put(kit, world.parts, look)
    return _scene(kit, "arena", path, world.places, spread=2.5)


def _chosen(kit: Kit, files: Iterable[Path]) -> Path:
    found = sorted(files)
    return found[kit.seed % len(found)]


def _scene(kit: Kit, kind: str, path: Path, places: Array, spread: float) -> Scene:
    if len(places) < 2:
        raise ValueError(f"{path} has no places to stand on")
    kit.daylight()
    return Scene(kind, path.stem, lambda: _view(kit, places, spread), kit.daylight, apart=3 * spread)


def _put(kit: Kit, parts: Sequence[Part], look: Look) -> None:
    for part in parts:
        material = look(part.texture)
        if material is not None:
            kit.stage.instance([mesh_of(part, material)], pose((0, 0, 0)))


def _material(path: Path | None, holes: bool) -> Any:
    if path is None:
        return None
    material = blank(roughness=0.9)
    image = material.node_tree.nodes.new("ShaderNodeTexImage")
    image.image = load_image(path)
    material.node_tree.links.new(image.outputs[0], surface(material).inputs["Base Color"])
    if holes and image.image.channels == 4:
        cut_out(material, image.outputs[1])
    return material


def _level(part: Part) -> Array:
    """Return the middles of a part's level triangles, (N, 3)."""
    corners = part.points[part.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    level = np.abs(normals[:, 2]) > LEVEL * np.maximum(lengths, 1e-9)
    return np.asarray(corners[level & (lengths > 1e-6)].mean(1))


def _view(kit: Kit, places: Array, spread: float) -> View | None:
    """Draw a view from near a place towards about another."""
    rng, lens = kit.rng, pick_lens(OPEN_LENSES, kit.rng)
    place = places[rng.randrange(len(places))]
    ahead = _ahead(places, place, rng)
    if ahead is None:
        return None
    yaw = math.atan2(ahead[1] - place[1], ahead[0] - place[0]) + rng.gauss(0, 0.5)
    x, y = (float(v) + rng.gauss(0, spread) for v in place[:2])
    hit = kit.stage.cast((x, y, float(place[2]) + rng.choice((1, 3, 3, 12))), (0, 0, -1))
    if hit is None:
        return None
    view = through(lens, Stand(tuple(hit[0]), yaw), rng)
    return None if kit.stage.roofed(hit[0], view) else view


def _ahead(places: Array, place: Array, rng: Random) -> Array | None:
    """Draw another place, some way off."""
    distances = np.linalg.norm(places[:, :2] - place[:2], axis=1)
    near = np.flatnonzero((distances > AHEAD[0]) & (distances < AHEAD[1]))
    return np.asarray(places[rng.choice(near.tolist())]) if near.size else None
