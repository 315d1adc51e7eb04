"""SuperTuxKart's tracks and decoration on a stage, and views along the tracks."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy  # type: ignore[import-not-found]  # noqa: F401  # mathutils is there once it is imported
import numpy as np
from mathutils import Matrix, Vector  # type: ignore[import-not-found]  # part of bpy
from numpy.typing import NDArray

from . import spm
from .camera import Stand, View, pick_lens, through
from .materials import cut_out, load_image, plain, surface
from .parameters import OPEN_LENSES
from .parts import Part
from .scenes import Kit, Scene
from .stage import Stage, Vec, mesh_of

Y_UP = Matrix(((1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
"""Swaps y and z: SuperTuxKart's y is up."""
EFFECTS = re.compile(r"halo|zipper|light_?beam|additive|shadow|smoke|cloud_?s|sunbeam|lensflare|glow", re.I)
CUT_OUT = ("alphatest", "alphablend", "grass", "decal", "unlit")
NOT_SEEN = ("particle_emitter", "sfx_emitter", "action-trigger")
MISSING = (0.4, 0.4, 0.4)
ON_TRACK = 0.85
"""The share of views near the track's line."""
STEEP = 0.5


class Karts:
    """Puts SuperTuxKart's models on a stage."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.known: dict[Path, list[Any]] = {}
        self.looks: dict[str, Any] = {}
        self.attributes = dict(spm.materials(folder / "textures"))

    def track(self, name: str) -> None:
        """Add a whole track."""
        self._scene(spm.scene_of(self.folder, name), Matrix.Identity(4))

    def decorate(self, name: str, foot: Vec, turn: float, scale: float) -> None:
        """Add an object of the library, on a foot in the stage's axes."""
        x, y, z = foot
        matrix = Matrix.Translation((x, z, y)) @ Matrix.Rotation(turn, 4, "Y") @ Matrix.Scale(scale, 4)
        self._scene(self.folder / "library" / f"stklib_{name}_a" / "node.xml", matrix)

    def _scene(self, path: Path, matrix: Any) -> None:
        if not path.exists():
            return
        for name, attributes in spm.materials(path.parent):
            self.attributes.setdefault(name, attributes)
        root = ET.parse(path).getroot()
        nearest = {group.get("name"): _nearest(group) for group in root.iter("group")}
        self._children(root, path.parent, matrix, nearest)

    def _children(self, parent: ET.Element, folder: Path, matrix: Any, nearest: dict[Any, Any]) -> None:
        for node in parent:
            if node.get("interaction") == "physics-only" or node.get("if") or node.tag == "lod":
                continue
            placed = matrix @ _transform(node)
            model = node.get("model")
            if node.tag == "library":
                self._scene(self.folder / "library" / node.get("name", "") / "node.xml", placed)
            elif node.tag == "track":
                self._add(model, folder, placed)
                self._children(node, folder, matrix, nearest)
            elif node.tag in ("static-object", "object", "animation") and node.get("type") not in NOT_SEEN:
                if node.get("lod_instance") == "true":
                    model = nearest.get(node.get("lod_group"), model)
                self._add(model, folder, placed)

    def _add(self, model: str | None, folder: Path, matrix: Any) -> None:
        path = self._find(model, folder)
        if path is not None and path.suffix == ".spm":
            if path not in self.known:
                self.known[path] = [m for part in spm.read(path) if (m := self._mesh(part, path.parent))]
            self.stage.instance(self.known[path], Y_UP @ matrix)

    def _find(self, name: str | None, folder: Path) -> Path | None:
        places = (folder, self.folder / "models", self.folder / "textures")
        return next((p / name for p in places if (p / name).is_file()), None) if name else None

    def _mesh(self, part: Part, folder: Path) -> Any:
        material = self._material(part.texture, folder)
        if material is None or len(part.points) < 3 or not np.isfinite(part.points).all():
            return None
        return mesh_of(part, material)

    def _material(self, texture: str, folder: Path) -> Any:
        """Return what a texture looks like; None for light, smoke and the like, which have no depth."""
        attributes = self.attributes.get(texture.lower(), {})
        shader = attributes.get("shader", "solid")
        effect = EFFECTS.search(texture) and "rock" not in texture
        if not texture or shader == "additive" or effect:
            return None
        if texture not in self.looks:
            path = self._find(texture, folder)
            mask = self._find(attributes.get("mask"), folder)
            self.looks[texture] = plain(MISSING, 0.9) if path is None else _look(path, shader, mask)
        return self.looks[texture]


def _look(path: Path, shader: str, mask: Path | None) -> Any:
    water = shader == "displace" or "water" in path.name.lower()
    material = plain(MISSING, 0.08 if water else 0.85)
    tree, inputs = material.node_tree, surface(material).inputs
    inputs["Specular IOR Level"].default_value = 0.6 if water else 0.2
    image = tree.nodes.new("ShaderNodeTexImage")
    image.image = load_image(path)
    tree.links.new(image.outputs[0], inputs["Base Color"])
    if shader == "unlit":
        tree.links.new(image.outputs[0], inputs["Emission Color"])
        inputs["Emission Strength"].default_value = 0.6
    if mask is not None:
        alpha = tree.nodes.new("ShaderNodeTexImage")
        alpha.image = load_image(mask)
        cut_out(material, alpha.outputs[0])
    elif shader in CUT_OUT and image.image.channels == 4:
        cut_out(material, image.outputs[1])
    return material


def _nearest(group: ET.Element) -> str | None:
    """Return the finest model of a group of levels of detail."""
    levels = [(float(o.get("lod_distance", 1e9)), o.get("model")) for o in group if o.get("model")]
    return min(levels)[1] if levels else None


def _transform(node: ET.Element) -> Any:
    where = spm.numbers(node.get("xyz", "")) or [float(node.get(axis, 0)) for axis in "xyz"]
    turns = [math.radians(angle) for angle in spm.numbers(node.get("hpr", "0 0 0"))]
    scale = spm.numbers(node.get("scale", "1 1 1"))
    scale = scale * 3 if len(scale) == 1 else scale
    matrix = Matrix.Translation(where)
    for angle, axis in zip(reversed(turns), "ZYX", strict=True):
        matrix = matrix @ Matrix.Rotation(angle, 4, axis)
    return matrix @ Matrix.Diagonal((*scale, 1))


def build(kit: Kit) -> Scene:
    """Build the track that the seed stands for."""
    name = spm.track_of(kit.assets.karts, kit.seed)
    karts = Karts(kit.stage, kit.assets.karts)
    karts.track(name)
    kit.daylight()
    line = [quad[[0, 2, 1]] for quad in spm.quads(karts.folder / "tracks" / name)]
    kit.stage.settle()
    boxes = [
        o.matrix_world @ Vector(c) for o in kit.stage.scene.objects if o.type == "MESH" for c in o.bound_box
    ]
    bounds = np.percentile(np.array(boxes), (5, 95), axis=0)
    return Scene("track", name, lambda: _view(kit, line, bounds), kit.daylight, apart=12)


def _view(kit: Kit, line: Sequence[NDArray[np.float64]], bounds: NDArray[np.float64]) -> View | None:
    rng, stage = kit.rng, kit.stage
    lens = pick_lens(OPEN_LENSES, rng)
    if line and rng.random() < ON_TRACK:
        place = rng.randrange(len(line))
        (x, y, z), ahead = line[place], line[(place + 2) % len(line)]
        yaw = math.atan2(ahead[1] - y, ahead[0] - x) + rng.choice((0, math.pi)) + rng.gauss(0, 0.5)
        start = (x + rng.gauss(0, 6), y + rng.gauss(0, 6), z + rng.choice((3, 3, 12)))
    else:
        yaw = rng.uniform(0, 2 * math.pi)
        start = (rng.uniform(*bounds[:, 0]), rng.uniform(*bounds[:, 1]), bounds[1, 2] + 30)
    hit = stage.cast(start, (0, 0, -1))
    if hit is None or (abs(hit[1].z) < STEEP and lens.height[1] < 5):
        return None
    view = through(lens, Stand(tuple(hit[0]), yaw), rng)
    return None if stage.roofed(hit[0], view) else view
