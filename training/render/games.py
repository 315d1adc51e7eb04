"""Models of games as libraries that :mod:`catalogue` reads: OBJ files, images, and a list of names and sizes."""

from __future__ import annotations

import contextlib
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from . import bsp, g3d, pmd
from .parts import Part

LARGEST = 512
"""Pixels of an image's longer side."""
VARIANTS = 3
"""Models taken of an actor that comes in several shapes."""
CUT_OUT_BELOW = 250
"""An image whose alpha is nowhere below it is opaque."""
ACTORS = {
    "Trees": re.compile(r"flora/trees/(?!.*(decal|fallen))"),
    "Bushes": re.compile(r"props/flora/(?!.*(decal|fallen|lil|leaves|farming))"),
    "Rocks": re.compile(r"geology/(?!.*(decal|waterfall))"),
    "Animals": re.compile(r"fauna/(?!.*(fish|circle|dragon|hawk|crow|whale|shark|dolphin|butterfl))"),
    "Buildings": re.compile(r"structures/[^/]+/(?!.*(field|ambient|decal|foundation|bireme|trireme))"),
    "Things": re.compile(r"props/special/eyecandy/(?!.*(decal|water|fish|bird))"),
}
"""0 A.D.'s actors by category, by their names."""
FOREST = {
    "Trees": re.compile(r"tree|palm|pine|birch"),
    "Bushes": re.compile(r"bush|grass|fern|flower|plant|reed"),
    "Rocks": re.compile(r"stone|rock"),
    "Things": re.compile(r"^(?!none|.*(river|water|hanged|impaled))"),
}
"""The models of MegaGlest's tilesets likewise; the first that fits counts."""
MOVING = re.compile(
    r"(attack|build|dying|dead|constr|walk|mov|run|harvest|morph|fly|upgrad|load|repair|teleport)"
)
NOT_SOLID = re.compile(r"fire|smoke|particle|water|garrison|projectile|glow|shadow|decal", re.IGNORECASE)
TALLEST = {"Trees": 30.0, "Bushes": 5.0, "Rocks": 15.0, "Animals": 6.0, "Buildings": 40.0, "Things": 20.0}
"""In metres; what is taller is a mistake, or a forest."""
SMALLEST = 0.15
GLEST_METRES, GLEST_BUILDING = 1.8, 3.5
"""MegaGlest's unit of length, and the longest side of what is no building yet, in metres."""
GROUND = re.compile(r"textures/terrain/types/(?!.*_(norm|spec|nm|s)\.).*\.dds$")
CUT_OUT = re.compile(r"basic_trans|trans_wind")
"""Materials whose alpha cuts out; that of others is where a team's colour goes."""
DEEPEST = 3
"""Props have props."""
Skin = Callable[[], Image.Image]


@dataclass(frozen=True)
class Model:
    """A model, y up, in metres; a part's texture is a name of ``skins``."""

    name: str
    category: str
    parts: list[Part]
    skins: dict[str, Skin] = field(default_factory=dict)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """The lowest and highest corner, (2, 3)."""
        points = np.concatenate([part.points for part in self.parts])
        return np.stack([points.min(0), points.max(0)]).astype(np.float64)

    @property
    def sound(self) -> bool:
        """Whether it has a shape, of a size that its category may have."""
        if not self.parts or not all(np.isfinite(part.points).all() for part in self.parts):
            return False
        sides = np.ptp(self.bounds, axis=0)
        return bool(sides.max() > SMALLEST and SMALLEST / 2 < sides[1] < TALLEST[self.category])


class ZeroAD:
    """0 A.D.'s actors: meshes with skins, and further actors attached to them."""

    def __init__(self, archive: ZipFile) -> None:
        self.archive, self.names = archive, set(archive.namelist())

    def models(self) -> Iterator[Model]:
        """Give the models of every category."""
        for name in sorted(self.names):
            actor = name.removeprefix("art/actors/")
            category = next((c for c, p in ACTORS.items() if actor.endswith(".xml") and p.match(actor)), None)
            if category is None or actor == name:
                continue
            known = set()
            for variant in range(VARIANTS):
                model = Model(f"{Path(actor).stem}-{variant}", category, [])
                self._add(model, actor, variant, np.eye(4))
                looks = tuple((part.texture, len(part.points)) for part in model.parts)
                if model.sound and looks not in known:
                    known.add(looks)
                    yield model

    def _add(
        self, model: Model, actor: str, variant: int, where: NDArray[np.float64], depth: int = 0
    ) -> None:
        """Add an actor's mesh, and what is attached to it."""
        root = self._xml(f"art/actors/{actor}")
        if root is None or depth > DEEPEST:
            return
        chosen = [v[variant % len(v)] for group in root.iter("group") if (v := group.findall("variant"))]
        mesh = self._mesh(_last(chosen, "mesh"))
        skins = [t.get("file") for v in chosen for t in v.iter("texture") if t.get("name") == "baseTex"]
        path = f"art/textures/skins/{skins[0] if skins else None}.cached.dds"
        if mesh is not None and path in self.names and len(mesh.triangles):
            points = mesh.points @ where[:3, :3].T + where[:3, 3]
            opaque = not CUT_OUT.search(root.findtext("material", ""))
            model.parts.append(Part(points.astype(np.float32), mesh.uv, mesh.triangles, path, opaque))
            model.skins[path] = partial(self._picture, path)
        places = {**(mesh.places if mesh else {}), "root": np.eye(4)}
        for prop in (prop for v in chosen for prop in v.iter("prop")):
            place, other = prop.get("attachpoint", ""), prop.get("actor", "")
            if other and place in places and not NOT_SOLID.search(place + other):
                self._add(model, other, variant, where @ places[place], depth + 1)

    def _xml(self, name: str) -> ET.Element | None:
        return ET.fromstring(self.archive.read(name)) if name in self.names else None

    def _mesh(self, name: str | None) -> pmd.Mesh | None:
        path = f"art/meshes/{name}.cached.pmd"
        return pmd.read(self.archive.read(path)) if path in self.names else None

    def _picture(self, name: str) -> Image.Image:
        return Image.open(io.BytesIO(self.archive.read(name)))

    def grounds(self) -> Iterator[tuple[str, Image.Image]]:
        """Give the textures of terrains."""
        for name in sorted(self.names):
            if GROUND.search(name):
                stem = "-".join(PurePosixPath(name).parts[4:]).split(".")[0]
                yield stem, self._picture(name).convert("RGB")


def _last(variants: Iterable[ET.Element], tag: str) -> str | None:
    """Return the text of a tag in the last of the variants that have it."""
    found = [text for variant in variants if (text := variant.findtext(tag))]
    return found[-1] if found else None


def glest(folder: Path) -> Iterator[Model]:
    """Give the models of MegaGlest: what stands about, and buildings and units at rest."""
    for path in _files(folder, "tilesets/*/models/*.g3d"):
        category = next((c for c, pattern in FOREST.items() if pattern.search(path.stem)), None)
        if category is not None and (model := _glest_model(path, category)):
            yield model
    for path in _files(folder, "techs/*/factions/*/units/*/models/*.g3d"):
        if not MOVING.search(path.stem) and (model := _glest_model(path, "Buildings")):
            large = np.ptp(model.bounds, axis=0).max() > GLEST_BUILDING
            yield model if large else replace(model, category="Animals")


def _files(folder: Path, pattern: str) -> list[Path]:
    """Return the files that match, each once: many are links to others."""
    return sorted(path for path in {path.resolve() for path in folder.glob(pattern)} if path.is_file())


def _glest_model(path: Path, category: str) -> Model | None:
    try:
        found = g3d.read(path.read_bytes())
    except ValueError:  # a few are damaged as they are shipped
        return None
    parts: list[Part] = []
    skins: dict[str, Skin] = {}
    for part in found:
        image = path.parent / part.texture
        if part.texture and image.is_file() and len(part.triangles) and not NOT_SOLID.search(part.texture):
            parts.append(replace(part, points=part.points * np.float32(GLEST_METRES), texture=str(image)))
            skins[str(image)] = partial(Image.open, image)
    model = Model(f"{path.parts[-3]}-{path.stem}", category, parts, skins)
    return model if model.sound else None


def convert_images(folder: Path) -> None:
    """Turn TORCS's images, most of them SGI's, into PNG; those that cannot be read go."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".rgb", ".png"):
            content = path.read_bytes()
            path.unlink()
            with contextlib.suppress(
                UnidentifiedImageError, OSError, ValueError
            ):  # the last for odd kinds of SGI
                save(_skin(Image.open(io.BytesIO(content)), opaque=False), path.with_suffix(".png"))


ARENA_LOOKS = "looks.json"


def write_arenas(archives: Iterable[ZipFile], folder: Path) -> None:
    """Write OpenArena's maps, the images that they show, and how: ``looks.json`` maps a shader to both.

    Of files with the same name in several archives the last counts, as in the game.
    """
    places = {name.lower(): (archive, name) for archive in archives for name in archive.namelist()}
    images = {name.rsplit(".", 1)[0]: name for name in places if name.endswith((".tga", ".jpg", ".png"))}
    known = {name: bsp.Shader(name, cut_out=False, solid=True) for name in images}
    for name in sorted(name for name in places if name.endswith(".shader")):
        archive, own = places[name]
        known.update(bsp.shaders(archive.read(own).decode("latin1")))
    looks: dict[str, tuple[str, bool]] = {}
    for name in sorted(name for name in places if name.endswith(".bsp")):
        archive, own = places[name]
        content = archive.read(own)
        for texture in {part.texture.lower() for part in bsp.read(content).parts}:
            shader = known.get(texture)
            if shader is not None and shader.solid and shader.image in images:
                looks[texture] = (f"{shader.image}.png", shader.cut_out)
        put(folder / name, content)
    for image in {image for image, _ in looks.values()}:
        archive, own = places[images[image.removesuffix(".png")]]
        with Image.open(io.BytesIO(archive.read(own))) as picture:
            save(_skin(picture, opaque=False), folder / image)
    put(folder / ARENA_LOOKS, json.dumps(looks, indent=0, sort_keys=True).encode())


def put(path: Path, content: bytes) -> None:
    """Write a file, in a folder that may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def save(image: Image.Image, path: Path) -> None:
    """Write an image, no larger than needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.thumbnail((LARGEST, LARGEST))
    image.save(path)


def write(models: Iterable[Model], folder: Path) -> None:
    """Write a library: each image once, each model as OBJ and MTL, and the catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[tuple[str, bool], str] = {}
    lines = []
    for number, model in enumerate(models, 1):
        stem = f"{number:04}"
        for part in model.parts:
            key = (part.texture, part.opaque)
            if key not in known:
                known[key] = f"skin-{len(known):04}.png"
                save(_skin(model.skins[part.texture](), part.opaque), folder / known[key])
        looks = [known[part.texture, part.opaque] for part in model.parts]
        (folder / f"{stem}.mtl").write_text("".join(f"newmtl {n}\nmap_Kd {n}\n" for n in sorted(set(looks))))
        (folder / f"{stem}.obj").write_text(f"mtllib {stem}.mtl\n" + "".join(_obj(model.parts, looks)))
        width, height, depth = 100 * np.maximum(np.ptp(model.bounds, axis=0), 0.01)
        entry = {
            "name": model.name,
            "category": model.category,
            "model": f"/{stem}.obj",
            "width": f"{width:.1f}",
            "depth": f"{depth:.1f}",
            "height": f"{height:.1f}",
        }
        lines += [f"{key}#{number}={value}\n" for key, value in entry.items()]
    (folder / "PluginFurnitureCatalog.properties").write_text("".join(lines), encoding="latin1")


def _skin(image: Image.Image, opaque: bool) -> Image.Image:
    """Return an image in RGB, or with alpha where that cuts something out."""
    image = image.convert("RGBA")
    if opaque or np.asarray(image)[..., 3].min() >= CUT_OUT_BELOW:
        return image.convert("RGB")
    return image


def _obj(parts: Iterable[Part], looks: Iterable[str]) -> Iterator[str]:
    """Give the lines of an OBJ file."""
    first = 1
    for part, look in zip(parts, looks, strict=True):
        yield from (f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in part.points.tolist())
        yield from (f"vt {u:.5f} {v:.5f}\n" for u, v in part.uv.tolist())
        yield f"usemtl {look}\n"
        for corners in (part.triangles + first).tolist():
            yield "f " + " ".join(f"{c}/{c}" for c in corners) + "\n"
        first += len(part.points)
