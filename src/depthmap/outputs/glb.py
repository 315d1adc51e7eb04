"""Surfaces with the picture on them."""

from __future__ import annotations

from functools import partial
from typing import IO, TYPE_CHECKING, Any

from ..extras import Extra
from .base import Output
from .scenes import painted, scene_facts

if TYPE_CHECKING:
    from PIL import Image

    from ..depth import Depth
    from .options import Options

_TEXTURE = 4096  # pixels along the longer side; not every graphics chip takes more
_JPEG_QUALITY = 92
_UNLIT = "KHR_materials_unlit"  # the photo has its light already
_VERTICES, _INDICES = 34962, 34963  # ARRAY_BUFFER and ELEMENT_ARRAY_BUFFER of OpenGL

_TRIMESH = Extra("trimesh", "3d", "GLB files")


class Glb(Output):
    """The surface that the picture shows, with the picture on it as a JPEG: binary glTF 2.0, in one file.

    The scene's ``extras`` say what the numbers mean. See `depthmap.geometry.mesh` for where the surface is cut and how
    many vertices it has. Without a picture its colours are those of the depth. Where there is no surface, as in a
    single row of pixels, the scene is empty.
    """

    needs = _TRIMESH
    name = "glb"
    suffix = "_mesh.glb"
    media_type = "model/gltf-binary"
    about = "textured mesh (glTF), for Blender, browsers and phones"

    def encode(self, stream: IO[bytes], depth: Depth, options: Options) -> None:
        """Write the file."""
        trimesh = _TRIMESH.load()
        shown = painted(depth, options)
        mesh = shown.mesh(options.ratio)
        facts = scene_facts(depth, mesh.units)
        scene = trimesh.Scene(metadata=facts)
        if len(mesh.faces):
            material = trimesh.visual.material.PBRMaterial(
                name="picture", baseColorTexture=_texture(shown), metallicFactor=0.0, roughnessFactor=1.0
            )
            uv = [0, 1] + [1, -1] * mesh.uv.astype(float)  # trimesh counts from the bottom
            visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
            scene.add_geometry(
                trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False), geom_name="surface"
            )
        finish = partial(_finish, software=facts["software"])
        stream.write(
            trimesh.exchange.gltf.export_glb(scene, include_normals=False, tree_postprocessor=finish)
        )


def _texture(depth: Depth) -> Image.Image:
    """Return the picture, which trimesh will save as a good JPEG."""
    from PIL import Image

    image = Image.fromarray(depth.rgb)
    image.thumbnail((_TEXTURE, _TEXTURE), Image.Resampling.LANCZOS)
    image.format = "JPEG"
    image.save = partial(image.save, quality=_JPEG_QUALITY, subsampling=0)  # type: ignore[method-assign]  # trimesh takes no options
    return image


def _finish(tree: dict[str, Any], software: str) -> None:
    """Add to a glTF tree what trimesh leaves out."""
    tree["asset"]["generator"] = software
    if "meshes" not in tree:
        return
    tree["extensionsUsed"] = [_UNLIT]
    for material in tree["materials"]:
        material["extensions"] = {_UNLIT: {}}
    for primitive in (primitive for mesh in tree["meshes"] for primitive in mesh["primitives"]):
        uses = {primitive["indices"]: _INDICES, **dict.fromkeys(primitive["attributes"].values(), _VERTICES)}
        for accessor, target in uses.items():
            tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]["target"] = target
