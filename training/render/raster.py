"""Draws a stage by OpenGL instead of tracing its light: several times as quick, and without light between surfaces.

What :mod:`materials` and :mod:`furniture` make is understood: one texture or colour, tinted, cut out or shining. The
sun throws shadows; all else that is lit by the sky is lit as if nothing stood in between.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import moderngl  # type: ignore[import-not-found]  # in the rendering environment only
import numpy as np
from numpy.typing import NDArray

from .camera import View
from .lighting import ambient, sun_view
from .shaders import DEPTH_ONLY, SCENE, SCREEN, SHADED, SKY
from .stage import ALPHA_THRESHOLD, Stage, points_of

Float = NDArray[np.float32]
Array = NDArray[Any]

NEAR, FAR = 0.1, 9000.0
OVERSAMPLING = 2
SKY_SIZE = (256, 128)
SHADOWED = 80.0
"""So many metres around the camera there are shadows."""
SHADOW_SIZE = 1024
TINY = 0.002
"""What has a radius below this share of its distance is smaller than a pixel, and left out."""
WHITE = np.full((1, 1, 4), 255, np.uint8)


@dataclass(frozen=True)
class Look:
    """What a surface looks like."""

    image: Any
    """A texture on the GPU."""
    tint: tuple[float, float, float] = (1, 1, 1)
    mapping: bytes = np.eye(4, dtype=np.float32).tobytes()
    """From texture coordinates, or the object's own where it is boxed, to the image's; column by column."""
    boxed: bool = False
    shine: float = 0.0
    roughness: float = 1.0


@dataclass(frozen=True)
class Piece:
    """Triangles of one mesh and look, where an object puts them."""

    look: Look
    array: Any
    shadow: Any
    matrix: bytes
    centre: tuple[float, float, float]
    radius: float


def context(threads: int) -> Any:
    """Return OpenGL without a window: a GPU's, or Mesa's on the CPU with so many threads."""
    os.environ.setdefault("LP_NUM_THREADS", str(threads))
    made = moderngl.create_context(standalone=True, backend="egl")
    made.gc_mode = "auto"
    return made


class Raster:
    """A stage on the GPU, or on what plays one; made when the stage is settled.

    ``dress`` gives an image to show in place of a surface's own; what is cut out of the surface stays.
    """

    def __init__(self, stage: Stage, context: Any, dress: Callable[[Any], Any] = lambda own: own) -> None:
        self.stage, self.context, self.dress = stage, context, dress
        context.enable(moderngl.DEPTH_TEST)
        self.scene = context.program(vertex_shader=SCENE, fragment_shader=SHADED)
        self.shadows = context.program(vertex_shader=SCENE, fragment_shader=DEPTH_ONLY)
        self.background = context.program(vertex_shader=SCREEN, fragment_shader=SKY)
        self.screen = context.vertex_array(self.background, [])
        self.white = self._texture(WHITE)
        self.looks: dict[str, Look | None] = {}
        self.meshes: dict[str, list[tuple[Look, Any, Any, Array]]] = {}
        self.pieces = list(self._pieces())
        self.centres = np.array([piece.centre for piece in self.pieces])
        self.radii = np.array([piece.radius for piece in self.pieces])
        self.shadow_map = self._shadow_map()
        self.shadow_buffer = context.framebuffer(depth_attachment=self.shadow_map)
        self.buffers: dict[tuple[int, int], Any] = {}
        self.relight()

    def render(self, view: View) -> tuple[Float, Float]:
        """Return linear light (H, W, 3) and planar depth (H, W), as :meth:`Stage.render` does."""
        size = (view.width * OVERSAMPLING, view.height * OVERSAMPLING)
        rotation, eye = view.rotation(), np.array(view.position)
        look = view.from_world()
        self._throw_shadows(eye)
        buffer = self._buffer(size)
        buffer.use()
        buffer.clear(depth=1.0)
        self._sky(view, rotation)
        scene = self.scene
        scene["camera"].write(_columns(view.projection(NEAR, FAR) @ look))
        scene["eye"], scene["ahead"] = tuple(eye), tuple(-rotation[:, 2])
        distances = np.linalg.norm(self.centres - eye, axis=1)
        seen = np.flatnonzero(self._seen(look, view) & (self.radii > TINY * distances))
        nearness = distances[seen] - self.radii[seen]
        self._draw(scene, seen[np.argsort(nearness)])  # what is hidden need not be shaded
        light = np.frombuffer(buffer.read(components=4, attachment=0, dtype="f4"), np.float32)
        planar = np.frombuffer(buffer.read(components=1, attachment=1, dtype="f4"), np.float32)
        k = OVERSAMPLING
        light = light.reshape(view.height, k, view.width, k, 4)[..., :3].mean((1, 3))
        planar = planar.reshape(size[::-1])[k // 2 :: k, k // 2 :: k]
        return np.ascontiguousarray(light[::-1]), np.ascontiguousarray(planar[::-1])

    def relight(self) -> None:
        """Take over the stage's sky and sun."""
        panorama = self.stage.panorama(*SKY_SIZE)
        self.sky = self.context.texture(SKY_SIZE, 3, np.ascontiguousarray(panorama).tobytes(), dtype="f4")
        self.sky.build_mipmaps()
        self.sky.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.sky.repeat_y = False
        self.scene["ambient"].write(ambient(panorama).astype(np.float32).tobytes())
        sun = next((o for o in self.stage.scene.objects if o.type == "LIGHT" and o.data.type == "SUN"), None)
        self.towards = np.array(sun.matrix_basis.to_3x3().col[2]) if sun else np.array([0.0, 0.0, 1.0])
        power = np.array(sun.data.color) * sun.data.energy / math.pi if sun else np.zeros(3)
        self.scene["sun"], self.scene["towards"] = tuple(power), tuple(self.towards)

    def _texture(self, pixels: NDArray[np.uint8]) -> Any:
        height, width = pixels.shape[:2]
        texture = self.context.texture((width, height), 4, pixels.tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def _shadow_map(self) -> Any:
        texture = self.context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        texture.compare_func = "<="
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture

    def _buffer(self, size: tuple[int, int]) -> Any:
        if size not in self.buffers:
            colour, depth = (self.context.texture(size, n, dtype="f4") for n in (4, 1))
            z = self.context.depth_renderbuffer(size)
            self.buffers[size] = self.context.framebuffer([colour, depth], z)
        return self.buffers[size]

    def _pieces(self) -> Iterator[Piece]:
        for thing in self.stage.scene.objects:
            if thing.type != "MESH" or thing.hide_render:
                continue
            matrix = np.array(thing.matrix_world)
            stretch = np.linalg.norm(matrix[:3, :3], 2)
            for look, array, shadow, bounds in self._mesh(thing.data):
                centre = matrix[:3, :3] @ bounds.mean(0) + matrix[:3, 3]
                radius = stretch * np.linalg.norm(bounds[1] - bounds[0]) / 2
                yield Piece(look, array, shadow, _columns(matrix), tuple(centre), float(radius))

    def _mesh(self, mesh: Any) -> list[tuple[Look, Any, Any, Array]]:
        """Return what is seen of a mesh: the look, the arrays and the bounds of each of its materials."""
        if mesh.name not in self.meshes:
            self.meshes[mesh.name] = [
                (look, *self._upload(corners), bounds)
                for material, corners, bounds in _parts(mesh)
                if (look := self._look(material)) is not None
            ]
        return self.meshes[mesh.name]

    def _upload(self, corners: Float) -> Iterator[Any]:
        """Give the triangles' arrays for the picture and for the shadows; corners that are alike are sent once."""
        rows = np.ascontiguousarray(corners).view([(f"f{n}", np.float32) for n in range(5)]).ravel()
        different, places = np.unique(rows, return_inverse=True)
        content, order = (self.context.buffer(a.tobytes()) for a in (different, places.astype(np.uint32)))
        for program in (self.scene, self.shadows):
            yield self.context.vertex_array(program, [(content, "3f 2f", "position", "uv")], order)

    def _look(self, material: Any) -> Look | None:
        name = material.name if material else ""
        if name not in self.looks:
            self.looks[name] = self._read(material) if material else Look(self.white, (0.8, 0.8, 0.8))
        return self.looks[name]

    def _read(self, material: Any) -> Look | None:
        """Read a material's nodes: a base colour or an image, perhaps tinted; an alpha; what it shines.

        None is what is not seen at all.
        """
        inputs = material.node_tree.nodes["Principled BSDF"].inputs
        if not inputs["Alpha"].is_linked and inputs["Alpha"].default_value < ALPHA_THRESHOLD:
            return None
        source, tint = _source(inputs["Base Color"]), (1.0, 1.0, 1.0)
        if source is not None and source.type in ("MIX_RGB", "MIX"):
            tint = tuple(source.inputs[2].default_value[:3])
            source = _source(source.inputs[1])
        shine, roughness = (float(inputs[n].default_value) for n in ("Emission Strength", "Roughness"))
        if not _is_image(source):
            colour = tuple(inputs["Base Color"].default_value[:3])
            return Look(self.white, colour, shine=shine, roughness=roughness)
        pixels = _pixels(self.dress(source.image))
        pixels[..., 3] = _alpha(_source(inputs["Alpha"]), pixels)
        mapping = _source(source.inputs[0])
        placed = mapping is not None and mapping.type == "MAPPING"
        matrix = _mapping(mapping) if placed else np.eye(4)
        boxed = source.projection == "BOX"
        return Look(self._texture(pixels), tint, _columns(matrix), boxed, shine, roughness)

    def _throw_shadows(self, eye: Array) -> None:
        if not any(self.scene["sun"].value):
            return
        light = sun_view(self.towards, eye, SHADOWED)
        self.scene["light"].write(_columns(light))
        self.shadows["camera"].write(_columns(light))
        self.shadow_buffer.use()
        self.shadow_buffer.clear(depth=1.0)
        away = self.centres - eye
        away -= (away @ self.towards)[:, None] * self.towards
        near = np.linalg.norm(away, axis=1) < math.sqrt(2) * SHADOWED + self.radii
        self._draw(self.shadows, np.flatnonzero(near))

    def _seen(self, look: Array, view: View) -> NDArray[np.bool_]:
        """Tell which pieces may be in the picture."""
        x, y, z = look[:3, :3] @ self.centres.T + look[:3, 3:]
        inside = -z > -self.radii
        for along, reach in zip((x, y), view.half(), strict=True):
            inside &= np.abs(along) < -z * reach + self.radii * math.hypot(1, reach)
        return np.asarray(inside)

    def _draw(self, program: Any, chosen: NDArray[np.intp]) -> None:
        shaded, last = program is self.scene, None
        if shaded:
            self.sky.use(1)
            self.shadow_map.use(2)
            program["sky"], program["shadow"] = 1, 2
        program["image"] = 0
        for place in chosen:
            piece = self.pieces[place]
            if piece.look is not last:
                last = piece.look
                last.image.use(0)
                program["mapping"].write(last.mapping)
                program["boxed"] = last.boxed
                if shaded:
                    program["tint"], program["shine"] = last.tint, last.shine
                    program["roughness"] = last.roughness
            program["model"].write(piece.matrix)
            (piece.array if shaded else piece.shadow).render()

    def _sky(self, view: View, rotation: Array) -> None:
        self.sky.use(1)
        self.background["sky"] = 1
        self.background["rays"].write(_columns(rotation * (*view.half(), 1)))
        self.context.disable(moderngl.DEPTH_TEST)
        self.screen.render(vertices=3)
        self.context.enable(moderngl.DEPTH_TEST)


def _columns(matrix: Array) -> bytes:
    """Return a matrix as OpenGL wants it."""
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()


def _parts(mesh: Any) -> Iterator[tuple[Any, Float, Array]]:
    """Give a mesh's materials with the corners (N, 5) of their triangles, x, y, z, u, v, and their bounds (2, 3)."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    sizes = {"vertices": 3, "loops": 3, "material_index": 1}
    indices = {name: np.empty(count * size, np.int32) for name, size in sizes.items()}
    for name, values in indices.items():
        mesh.loop_triangles.foreach_get(name, values)
    uv = np.zeros((len(mesh.loops), 2), np.float32)
    if mesh.uv_layers.active:
        mesh.uv_layers.active.data.foreach_get("uv", uv.ravel())
    corners = np.concatenate([points_of(mesh)[indices["vertices"]], uv[indices["loops"]]], 1)
    for number in np.unique(indices["material_index"]):
        chosen = corners.reshape(-1, 3, 5)[indices["material_index"] == number].reshape(-1, 5)
        material = mesh.materials[number] if number < len(mesh.materials) else None
        yield material, chosen, np.stack([chosen[:, :3].min(0), chosen[:, :3].max(0)])


def _source(socket: Any) -> Any:
    """Return the node that feeds a socket, or None."""
    return socket.links[0].from_node if socket.links else None


def _is_image(node: Any) -> bool:
    """Whether a node gives an image's colours; a file that is missing or cannot be read has no channels."""
    return bool(node is not None and node.type == "TEX_IMAGE" and node.image and node.image.channels)


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Return an image's pixels (H, W, 4), the lowest row first."""
    width, height = image.size
    values = np.ones(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, image.channels)
    pixels = np.full((height, width, 4), 255, np.uint8)
    colours = values[..., :3] if image.channels >= 3 else values[..., :1]
    pixels[..., :3] = (colours.clip(0, 1) * 255).round()
    if image.channels == 4:
        pixels[..., 3] = (values[..., 3].clip(0, 1) * 255).round()
    return pixels


def _alpha(step: Any, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | int:
    """Return the alpha that a surface is cut out by, of the size of its image."""
    if step is None or step.type != "MATH":
        return 255
    link = step.inputs[0].links[0]
    if not _is_image(link.from_node):
        return 255
    mask = _pixels(link.from_node.image)[..., 3 if link.from_socket.name == "Alpha" else 0]
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in zip(pixels.shape[:2], mask.shape, strict=True))
    return np.asarray(mask[np.ix_(rows.astype(int), columns.astype(int))])


def _mapping(node: Any) -> Array:
    """Return what a mapping node does: scale, turn about z, move."""
    angle = node.inputs["Rotation"].default_value[2]
    matrix = np.eye(4)
    matrix[:2, :2] = ((math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle)))
    matrix[:3, :3] = matrix[:3, :3] * np.array(node.inputs["Scale"].default_value)
    matrix[:3, 3] = node.inputs["Location"].default_value
    return matrix
