"""A Blender scene: sky, lamps, meshes, a camera; looked at with rays first and rendered if that pays.

Blender ships no types: its objects are ``Any`` here, and in the modules that build scenes.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import bpy  # type: ignore[import-not-found]  # in the rendering environment only
import numpy as np
import OpenEXR  # type: ignore[import-not-found]  # likewise
from mathutils import Matrix, Vector  # type: ignore[import-not-found]  # part of bpy
from numpy.typing import NDArray

from .camera import View
from .parts import Part

Vec = Sequence[float]
Colour = tuple[float, float, float]

SETTINGS: dict[str, object] = {
    "device": "CPU",
    "samples": 4,
    "use_adaptive_sampling": False,
    "use_denoising": True,
    "denoiser": "OPENIMAGEDENOISE",
    "denoising_quality": "FAST",
    "denoising_prefilter": "NONE",
    "max_bounces": 3,
    "diffuse_bounces": 2,
    "glossy_bounces": 2,
    "transparent_max_bounces": 8,
    "caustics_reflective": False,
    "caustics_refractive": False,
    "sample_clamp_indirect": 4,
    "blur_glossy": 1.0,
}
"""Cycles': few samples, denoised. It is what two cores can do a frame a second with."""
CLIP = (0.05, 9000.0)
ALPHA_THRESHOLD = 0.1
BOX = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
SKIES = ((0.12, 0.3, 0.75), (0.25, 0.45, 0.8), (0.5, 0.55, 0.6), (0.3, 0.3, 0.5))
HORIZONS = ((0.75, 0.85, 0.95), (0.8, 0.8, 0.8), (0.9, 0.8, 0.65), (0.6, 0.75, 0.95))


def pose(position: Vec, turn: float = 0.0, scale: float = 1.0) -> Any:
    """Return the matrix that scales, turns about z, and moves."""
    return Matrix.Translation(position) @ Matrix.Rotation(turn, 4, "Z") @ Matrix.Scale(scale, 4)


def mesh_of(part: Part, material: Any) -> Any:
    """Return a part as a mesh, in the part's axes."""
    mesh = bpy.data.meshes.new("part")
    mesh.from_pydata(part.points.tolist(), [], part.triangles.tolist())
    uv = part.uv[part.triangles.ravel()]
    mesh.uv_layers.new().data.foreach_set("uv", np.ascontiguousarray(uv, np.float32).ravel())
    mesh.materials.append(material)
    return mesh


def points_of(mesh: Any) -> NDArray[np.float32]:
    """Return a mesh's vertices (N, 3), in its own axes."""
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    return points


class Stage:
    """The one scene that Blender holds; a new stage empties it."""

    def __init__(self, threads: int, scratch: Path) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.scratch = scratch / f"frame-{os.getpid()}.exr"
        self._settle_output(self.scene, threads)
        for name, value in SETTINGS.items():
            setattr(self.scene.cycles, name, value)
        self.scene.render.use_persistent_data = True
        layer = self.scene.view_layers[0]
        layer.use_pass_z = True
        layer.pass_alpha_threshold = ALPHA_THRESHOLD
        self.camera = self.link(bpy.data.objects.new("camera", bpy.data.cameras.new("camera")))
        self.scene.camera = self.camera
        self.camera.data.clip_start, self.camera.data.clip_end = CLIP
        self.camera.data.sensor_fit = "HORIZONTAL"
        self.scene.world = bpy.data.worlds.new("world")
        self.scene.world.use_nodes = True

    def link(self, thing: Any) -> Any:
        """Put an object into the scene."""
        self.scene.collection.objects.link(thing)
        return thing

    def mesh(
        self, vertices: Sequence[Vec], faces: Sequence[Sequence[int]], material: Any, uv: Any = None
    ) -> Any:
        """Add a mesh."""
        mesh = bpy.data.meshes.new("mesh")
        mesh.from_pydata(vertices, [], faces)
        if uv is not None:
            mesh.uv_layers.new().data.foreach_set("uv", np.asarray(uv, np.float32).ravel())
        mesh.materials.append(material)
        return self.link(bpy.data.objects.new("mesh", mesh))

    def box(self, centre: Vec, size: Vec, material: Any, turn: float = 0.0, within: Any = None) -> Any:
        """Add a box; ``within`` is the frame that the centre is given in."""
        x, y, z = (side / 2 for side in size)
        corners = [(a, b, c) for c in (-z, z) for a, b in ((-x, -y), (x, -y), (x, y), (-x, y))]
        thing = self.mesh(corners, BOX, material)
        thing.matrix_world = (within or Matrix.Identity(4)) @ pose(centre, turn)
        return thing

    def solid(self, kind: str, foot: Vec, size: Vec, material: Any, turn: float = 0.0) -> Any:
        """Add a primitive that stands on ``foot``: box, cylinder, sphere, cone, torus, monkey."""
        centre = (foot[0], foot[1], foot[2] + size[2] / 2)
        if kind == "box":
            return self.box(centre, size, material, turn)
        add, options = PRIMITIVES[kind]
        getattr(bpy.ops.mesh, f"primitive_{add}_add")(location=centre, **options)
        thing = bpy.context.object
        thing.scale, thing.rotation_euler = size, (0, 0, turn)
        thing.data.materials.append(material)
        return thing

    def instance(self, meshes: Sequence[Any], matrix: Any) -> None:
        """Add objects that share meshes."""
        for mesh in meshes:
            self.link(bpy.data.objects.new("instance", mesh)).matrix_world = matrix

    def sky(self, rng: Random, panoramas: Sequence[Path], chance: float, strength: float = 1.0) -> None:
        """Set the background: a panorama, or a gradient with clouds."""
        tree = self.scene.world.node_tree
        tree.nodes.clear()
        new, link = tree.nodes.new, tree.links.new
        output, background = new("ShaderNodeOutputWorld"), new("ShaderNodeBackground")
        where, mapping = new("ShaderNodeTexCoord"), new("ShaderNodeMapping")
        link(where.outputs["Generated"], mapping.inputs[0])
        if rng.random() < chance:
            mapping.inputs["Rotation"].default_value[2] = rng.uniform(0, 2 * math.pi)
            colour = new("ShaderNodeTexEnvironment")
            colour.image = bpy.data.images.load(str(rng.choice(panoramas)), check_existing=True)
            link(mapping.outputs[0], colour.inputs[0])
        else:
            colour = _clouds(tree, rng, where, mapping)
        background.inputs[1].default_value = strength * rng.uniform(0.6, 1.4)
        link(colour.outputs[0], background.inputs[0])
        link(background.outputs[0], output.inputs[0])

    def sun(self, rng: Random) -> None:
        """Add a sun, somewhere between low and high."""
        light = self.lamp(
            "SUN", (0, 0, 0), rng.uniform(1.5, 6), (1, rng.uniform(0.8, 1), rng.uniform(0.6, 1))
        )
        light.data.angle = math.radians(rng.uniform(0.3, 2))
        light.rotation_euler = (math.radians(rng.uniform(15, 78)), 0, rng.uniform(0, 2 * math.pi))

    def lamp(self, kind: str, position: Vec, power: float, colour: Colour, size: float = 0.1) -> Any:
        """Add a lamp that is not itself seen: SUN, AREA or POINT."""
        light = bpy.data.lights.new("lamp", kind)
        light.energy, light.color = power, colour
        if kind != "SUN":
            setattr(light, "size" if kind == "AREA" else "shadow_soft_size", size)
        thing = self.link(bpy.data.objects.new("lamp", light))
        thing.location, thing.visible_camera = position, False
        return thing

    def daylight(self, rng: Random, panoramas: Sequence[Path]) -> None:
        """Replace all lamps and the sky by a new hour of the day."""
        for thing in [thing for thing in self.scene.objects if thing.type == "LIGHT"]:
            bpy.data.objects.remove(thing)
        self.sky(rng, panoramas, chance=0.4)
        if rng.random() < 0.75:
            self.sun(rng)

    def settle(self) -> None:
        """Make what was added visible to rays."""
        self.scene.view_layers[0].update()

    def cast(self, origin: Vec, direction: Vec, reach: float = 3000.0) -> tuple[Any, Any, str] | None:
        """Return where a ray meets a surface first: the point, its normal, the object's name."""
        graph = bpy.context.evaluated_depsgraph_get()
        hit, point, normal, _, thing, _ = self.scene.ray_cast(
            graph, Vector(origin), Vector(direction).normalized(), distance=reach
        )
        return (point, normal, thing.name) if hit else None

    def roofed(self, ground: Vec, view: View) -> bool:
        """Whether something lies between the ground and a camera above it, or just over the camera."""
        x, y, z = ground
        return self.cast((x, y, z + 0.05), (0, 0, 1), view.position[2] - z + 0.3) is not None

    def glance(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return planar depths along a coarse grid of rays (inf = nothing) and which plane each met (-1)."""
        rays = view.rays()
        depths = np.full(rays.shape[:2], np.inf)
        surfaces = np.full(rays.shape[:2], -1, np.int64)
        known: dict[object, int] = {}
        for cell in np.ndindex(*depths.shape):
            ray = Vector(rays[cell])
            hit = self.cast(view.position, ray)
            if hit is None:
                continue
            point, normal, name = hit
            depths[cell] = (point - Vector(view.position)).length / ray.length
            plane = (name, *(round(v, 1) for v in normal), round(normal.dot(point), 1))
            surfaces[cell] = known.setdefault(plane, len(known))
        return depths, surfaces

    def render(self, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return linear light (H, W, 3) and planar depth (H, W)."""
        self.camera.data.angle = math.radians(view.fov)
        self.camera.matrix_world = (
            Matrix.Translation(view.position) @ Matrix(view.rotation().tolist()).to_4x4()
        )
        self.scene.render.resolution_x, self.scene.render.resolution_y = view.width, view.height
        channels = self._rendered(self.scene)
        return _light(channels), _pick(channels, r"Depth")

    def panorama(self, width: int, height: int) -> NDArray[np.float32]:
        """Return the sky's linear light (H, W, 3) in all directions: rows from nadir to zenith, columns by angle.

        The angle in the plane of x and y goes from minus to plus half a turn, 0 being along x.
        """
        empty = bpy.data.scenes.new("sky")
        camera = bpy.data.objects.new("panorama", bpy.data.cameras.new("panorama"))
        empty.collection.objects.link(camera)
        empty.world, empty.camera = self.scene.world, camera
        empty.world.cycles.sampling_method = "NONE"  # it lights nothing, so no map of its lamps is needed
        camera.data.type, camera.data.panorama_type = "PANO", "EQUIRECTANGULAR"
        camera.rotation_euler = (math.pi / 2, 0, -math.pi / 2)
        self._settle_output(empty, self.scene.render.threads)
        empty.cycles.samples, empty.cycles.use_denoising = 1, False
        empty.render.resolution_x, empty.render.resolution_y = width, height
        channels = self._rendered(empty)
        bpy.data.scenes.remove(empty)
        bpy.data.cameras.remove(camera.data)  # the object goes with it
        return _light(channels)[::-1, ::-1]

    def _settle_output(self, scene: Any, threads: int) -> None:
        """Let Cycles render a scene, into the scratch file."""
        render = scene.render
        render.engine = "CYCLES"
        render.threads_mode, render.threads = "FIXED", threads
        render.resolution_percentage = 100
        render.filepath = str(self.scratch)
        with contextlib.suppress(AttributeError):  # Blender 5 asks for it before the format
            render.image_settings.media_type = "MULTI_LAYER_IMAGE"
        render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        render.image_settings.color_depth = "32"

    def _rendered(self, scene: Any) -> dict[str, NDArray[np.float32]]:
        """Render a scene; return its channels by name."""
        with silence():
            bpy.ops.render.render(write_still=True, scene=scene.name)
        channels: dict[str, NDArray[np.float32]] = {}
        for part in OpenEXR.File(str(self.scratch), separate_channels=True).parts:
            channels.update({name: np.asarray(c.pixels, np.float32) for name, c in part.channels.items()})
        self.scratch.unlink()
        return channels


PRIMITIVES: dict[str, tuple[str, dict[str, float]]] = {
    "cylinder": ("cylinder", {"vertices": 24, "radius": 0.5, "depth": 1}),
    "sphere": ("uv_sphere", {"segments": 24, "ring_count": 16, "radius": 0.5}),
    "cone": ("cone", {"vertices": 24, "radius1": 0.5, "radius2": 0.1, "depth": 1}),
    "torus": ("torus", {"major_radius": 0.35, "minor_radius": 0.14}),
    "monkey": ("monkey", {"size": 0.75}),
}
SOLIDS = ("box", "box", *PRIMITIVES)


def _light(channels: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return linear light (H, W, 3)."""
    return np.stack([_pick(channels, rf"Combined\.{c}$") for c in "RGB"], 2)


def _pick(channels: dict[str, NDArray[np.float32]], pattern: str) -> NDArray[np.float32]:
    return next(values for name, values in channels.items() if re.search(pattern, name))


def _clouds(tree: Any, rng: Random, where: Any, mapping: Any) -> Any:
    """Mix a gradient from horizon to zenith with noise."""
    new, link = tree.nodes.new, tree.links.new
    axes, gradient, noise = new("ShaderNodeSeparateXYZ"), new("ShaderNodeValToRGB"), new("ShaderNodeTexNoise")
    link(where.outputs["Generated"], axes.inputs[0])
    link(axes.outputs[2], gradient.inputs[0])
    low, high = gradient.color_ramp.elements
    low.position, low.color = 0.0, (*rng.choice(HORIZONS), 1)
    high.position, high.color = 0.5, (*rng.choice(SKIES), 1)
    mapping.inputs["Scale"].default_value = (1, 1, 3)
    mapping.inputs["Location"].default_value = (rng.uniform(0, 99), rng.uniform(0, 99), 0)
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = rng.uniform(2, 5), 6
    link(mapping.outputs[0], noise.inputs[0])
    cover, mix = new("ShaderNodeValToRGB"), new("ShaderNodeMixRGB")
    clear, full = cover.color_ramp.elements
    clear.position, full.position = rng.uniform(0.4, 0.65), rng.uniform(0.66, 0.9)
    white = rng.uniform(0.6, 1.0)
    full.color = mix.inputs[2].default_value = (white, white, white, 1)
    link(noise.outputs[0], cover.inputs[0])
    link(cover.outputs[0], mix.inputs[0])
    link(gradient.outputs[0], mix.inputs[1])
    return mix


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Send what Blender prints to nowhere: it writes about each sample, past Python's own streams."""
    kept, nowhere = [os.dup(stream) for stream in (1, 2)], os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    try:
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)
