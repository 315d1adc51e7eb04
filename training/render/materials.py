"""Materials: plain colours and textures. Textures are projected along the axes, repeated every few metres."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path
from random import Random
from typing import Any

import bpy  # type: ignore[import-not-found]  # in the rendering environment only

from .assets import Assets
from .stage import Colour

LARGEST = 512
"""Pixels of a texture's longer side: more is not seen in pictures this small."""


def any_colour(rng: Random, darkest: float = 0.05, brightest: float = 0.9, saturation: float = 0.9) -> Colour:
    """Draw a colour; strong ones are rarer."""
    return colorsys.hsv_to_rgb(
        rng.random(), rng.random() ** 1.5 * saturation, rng.uniform(darkest, brightest)
    )


def load_image(path: Path) -> Any:
    """Load an image once, no larger than needed."""
    image = bpy.data.images.load(str(path), check_existing=True)
    longer = max(image.size)
    if longer > LARGEST:
        image.scale(*(max(1, side * LARGEST // longer) for side in image.size))
    return image


def surface(material: Any) -> Any:
    """Return a material's shader."""
    return material.node_tree.nodes["Principled BSDF"]


def blank(roughness: float, metallic: float = 0.0) -> Any:
    """Return a new material."""
    material = bpy.data.materials.new("material")
    material.use_nodes = True
    surface(material).inputs["Roughness"].default_value = roughness
    surface(material).inputs["Metallic"].default_value = metallic
    return material


def plain(colour: Colour, roughness: float = 0.8, metallic: float = 0.0) -> Any:
    """Return a material of one colour."""
    material = blank(roughness, metallic)
    surface(material).inputs["Base Color"].default_value = (*colour, 1)
    return material


def textured(
    rng: Random, path: Path, period: float | None, roughness: float = 0.8, tint: Colour | None = None
) -> Any:
    """Return a material with a texture that repeats every ``period`` metres, or one laid out by the mesh."""
    material = blank(roughness)
    tree = material.node_tree
    texture, where, mapping = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexImage", "TexCoord", "Mapping")
    )
    texture.image = load_image(path)
    if period is None:
        tree.links.new(where.outputs["UV"], mapping.inputs[0])
    else:
        texture.projection, texture.projection_blend = "BOX", 0.1
        tree.links.new(where.outputs["Object"], mapping.inputs[0])
        mapping.inputs["Scale"].default_value = (1 / period,) * 3
        mapping.inputs["Location"].default_value = (rng.random(), rng.random(), rng.random())
        mapping.inputs["Rotation"].default_value[2] = rng.choice((0, math.pi / 2))
    tree.links.new(mapping.outputs[0], texture.inputs[0])
    colour = texture.outputs[0]
    if tint is not None:
        mix = tree.nodes.new("ShaderNodeMixRGB")
        mix.blend_type = "MULTIPLY"
        mix.inputs[0].default_value, mix.inputs[2].default_value = 1, (*tint, 1)
        tree.links.new(colour, mix.inputs[1])
        colour = mix.outputs[0]
    tree.links.new(colour, surface(material).inputs["Base Color"])
    return material


def cut_out(material: Any, alpha: Any) -> None:
    """Make a surface either there or not, by half of an alpha: in between, depth would be neither."""
    step = material.node_tree.nodes.new("ShaderNodeMath")
    step.operation = "GREATER_THAN"
    step.inputs[1].default_value = 0.5
    material.node_tree.links.new(alpha, step.inputs[0])
    material.node_tree.links.new(step.outputs[0], surface(material).inputs["Alpha"])


class Palette:
    """Draws materials of a kind."""

    def __init__(self, assets: Assets, rng: Random) -> None:
        self.assets, self.rng = assets, rng

    def of(self, kind: str, period: tuple[float, float] = (1.0, 3.5), tinted: float = 0.3) -> Any:
        """Draw a texture of a kind of surface."""
        rng = self.rng
        tint = any_colour(rng, 0.5, 1.0, 0.5) if rng.random() < tinted else None
        path = rng.choice(self.assets.textures(kind))
        return textured(rng, path, rng.uniform(*period), rng.uniform(0.4, 1), tint)

    def wall(self, painted: float) -> Any:
        """Draw paint or a texture."""
        if self.rng.random() < painted:
            return plain(any_colour(self.rng, 0.3, 0.95, 0.5), self.rng.uniform(0.5, 1))
        return self.of("wall", tinted=0.5)

    def thing(self) -> Any:
        """Draw a material that any object may have."""
        rng = self.rng
        kind = rng.choices(("plain", "texture", "photo"), (0.4, 0.45, 0.15))[0]
        if kind == "plain":
            return plain(any_colour(rng), rng.uniform(0.2, 1), float(rng.random() < 0.1))
        if kind == "texture":
            return self.of("any", (0.2, 1.5), 0)
        return textured(rng, rng.choice(self.assets.photos()), rng.uniform(0.5, 1.5))
