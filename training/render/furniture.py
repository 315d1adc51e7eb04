"""Furniture, people, cars and plants: read once a scene, scaled to their true size, placed as instances."""

from __future__ import annotations

from random import Random
from typing import Any

import bpy  # type: ignore[import-not-found]  # in the rendering environment only
import numpy as np
from mathutils import Matrix  # type: ignore[import-not-found]  # part of bpy

from .catalogue import Item
from .materials import any_colour, cut_out, surface
from .stage import Colour, Stage, Vec, points_of, pose, silence

TO_Z_UP = Matrix(((1, 0, 0), (0, 0, -1), (0, 1, 0)))
SEEN_THROUGH = 0.35
"""Glass below this opacity vanishes, other glass becomes opaque: depth must be that of one surface."""
SHINIEST = 0.15


class Furniture:
    """Places models of the catalogue on a stage."""

    def __init__(self, stage: Stage, rng: Random, recoloured: float = 0.4) -> None:
        self.stage, self.rng, self.recoloured = stage, rng, recoloured
        self.meshes: dict[Item, list[Any]] = {}

    def put(self, item: Item, foot: Vec, turn: float = 0.0, scale: float = 1.0) -> None:
        """Place a model: ``foot`` is the middle of its underside."""
        if item not in self.meshes:
            self.meshes[item] = self._read(item)
        self.stage.instance(self.meshes[item], pose(foot, turn, scale))

    def _read(self, item: Item) -> list[Any]:
        before = set(bpy.data.objects)
        with silence():
            bpy.ops.wm.obj_import(filepath=str(item.path))
        new = [thing for thing in bpy.data.objects if thing not in before]
        meshes = [_in_place(thing, item) for thing in new if thing.type == "MESH"]
        for thing in new:
            bpy.data.objects.remove(thing)
        _fit(meshes, item)
        colour = any_colour(self.rng, 0.2, 1) if self.rng.random() < self.recoloured else None
        for material in {material for mesh in meshes for material in mesh.materials if material}:
            _settle(material, colour, opaque=item.category == "Vehicles")
        return meshes


def _in_place(thing: Any, item: Item) -> Any:
    """Return an object's mesh in world axes, turned as the catalogue says."""
    turn = Matrix.Identity(4)
    if item.rotation:
        r = item.rotation
        turn = (TO_Z_UP @ Matrix((r[0:3], r[3:6], r[6:9])) @ TO_Z_UP.transposed()).to_4x4()
    thing.data.transform(turn @ thing.matrix_world)
    return thing.data


def _fit(meshes: list[Any], item: Item) -> None:
    """Scale meshes together to the size of the catalogue; the middle of the underside is the origin."""
    points = np.concatenate([points_of(mesh) for mesh in meshes if mesh.vertices])
    low, high = points.min(0), points.max(0)
    sides = [
        wanted / max(float(side), 1e-6) if side > 1e-6 else 1.0
        for wanted, side in zip(item.size, high - low, strict=True)
    ]
    foot = Matrix.Translation((-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]))
    for mesh in meshes:
        mesh.transform(Matrix.Diagonal((*sides, 1)) @ foot)
        mesh.update()


def _settle(material: Any, colour: Colour | None, opaque: bool) -> None:
    """Make every surface either there or not, and perhaps of another colour."""
    if not material.use_nodes or "Principled BSDF" not in material.node_tree.nodes:
        return
    inputs = surface(material).inputs
    base, alpha = inputs["Base Color"], inputs["Alpha"]
    if colour is not None and not base.is_linked:
        light = max(base.default_value[:3])
        base.default_value = (
            *(
                0.3 * b + 0.7 * c * (0.3 + 0.7 * light)
                for b, c in zip(base.default_value[:3], colour, strict=True)
            ),
            1,
        )
    image = base.links[0].from_node if base.is_linked else None
    if alpha.is_linked:
        cut_out(material, alpha.links[0].from_socket)
    elif image is not None and getattr(image, "image", None) and image.image.channels == 4:
        cut_out(material, image.outputs[1])
    elif alpha.default_value < 0.999:
        alpha.default_value = float(opaque or alpha.default_value > SEEN_THROUGH)
    inputs["Transmission Weight"].default_value = 0
    inputs["Roughness"].default_value = max(SHINIEST, inputs["Roughness"].default_value)
