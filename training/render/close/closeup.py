"""A close-up by its seed: something near, what is behind it, light; a picture and its inverse depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from ..camera import dice
from ..frames import Folder, encode, stem_of
from ..quality import Sieve
from . import things
from .backdrops import Scenes, out_of_focus, studio
from .beasts import animal, person
from .fields import lit, normals, shadowed, smoothed
from .layers import Layer, edges_softened
from .parameters import (
    ASIDE,
    BACKDROPS,
    FAR,
    FILL,
    FOV,
    FUR,
    GAP,
    KEEP_CLOSE,
    KINDS,
    LARGEST,
    LIFTED,
    LYING,
    POSE,
    SHAPES,
    SOFT,
    TABLE_PITCH,
    TABLE_THINGS,
)
from .skins import Noise
from .solids import Array, Solid, cast, rays, solid, turned
from .stamps import Stamps, placed

ALIVE = ("animal", "person")
Maker = Callable[[Random, Noise, Array], list[Solid]]
MAKERS: dict[str, Maker] = {
    "animal": lambda rng, noise, _: animal(rng, noise),
    "person": lambda rng, noise, _: person(rng, noise),
    "ball": things.ball,
    "device": things.device,
    "instrument": things.instrument,
    "sheet": things.sheet,
    "flower": things.flower,
}


@dataclass(frozen=True)
class Kit:
    """What close-ups are made with."""

    scenes: Scenes
    stamps: Stamps | None


@dataclass(frozen=True)
class Frame:
    """The frame that is being made: its dice, its noise, and its rays."""

    rng: Random
    noise: Noise
    directions: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.directions.shape[0], self.directions.shape[1]

    @property
    def half(self) -> tuple[float, float]:
        """How far the picture reaches across and down, at a depth of 1."""
        return float(self.directions[..., 0].max()), float(self.directions[..., 1].max())


def make(kit: Kit, seed: int) -> tuple[str, NDArray[np.uint8], NDArray[np.uint16]]:
    """Return what is close, the picture (H, W, 3) and its inverse depth (H, W)."""
    rng = dice("close", seed)
    width, height = rng.choice(SHAPES)
    directions = rays(width, height, rng.uniform(*FOV))
    frame = Frame(rng, Noise(np.random.default_rng(rng.getrandbits(64))), directions)
    shares = {kind: share for kind, share in KINDS.items() if kind != "stamp" or kit.stamps}
    kind = rng.choices(list(shares), list(shares.values()))[0]
    if kind == "table":
        layer = _shown(_table(frame, kit.scenes), frame)
    elif kind == "stamp" and kit.stamps:
        cut_out = placed(kit.stamps.draw(rng), frame.shape, rng)
        layer = cut_out.before(_backdrop(cut_out.rear, frame, kit.scenes))
    else:
        layer = _thing(kind, frame, kit.scenes)
    dark = shadowed(layer.depth, rng.uniform(0.01, 0.05) * frame.shape[1], rng.uniform(0.2, 0.6))
    layer = edges_softened(replace(layer, colour=np.clip(layer.colour * dark[..., None], 0, 1)))
    return kind, (layer.colour * 255).round().astype(np.uint8), encode(layer.depth, FAR)


def _thing(kind: str, frame: Frame, scenes: Scenes) -> Layer:
    """Return a thing, and what is behind it."""
    rng = frame.rng
    solids = MAKERS[kind](rng, frame.noise, scenes.photo(rng))
    lies = rng.random() < LYING.get(kind, 0)
    if lies:
        back = max(float(one.centre[2] + np.abs(one.matrix[2]).sum()) for one in solids)
        ground = things.surface(rng, frame.noise, scenes.photo(rng))
        solids.append(
            solid(
                "box", (40, 40, 0.05), (0, 0, back + 0.06 + rng.choice((0, rng.uniform(0, LIFTED)))), ground
            )
        )
    turn, middle = _pose(kind, frame)
    layer = _shown([one.moved(turn, middle) for one in solids], frame, alive=kind in ALIVE)
    return layer if lies else layer.before(_backdrop(layer.rear, frame, scenes))


def _pose(kind: str, frame: Frame) -> tuple[Array, Array]:
    """Draw how a thing is turned and how large it is, and where its middle is."""
    rng, (wide, high) = frame.rng, frame.half
    size = min(rng.uniform(*FILL[kind]) * min(wide, high), LARGEST)
    yaw, pitch, roll = (float(np.clip(rng.gauss(0, spread), -1.1, 1.1)) for spread in POSE[kind])
    middle = np.array((rng.gauss(0, ASIDE) * wide, rng.gauss(0, ASIDE) * high, 1.0))
    return size * turned(yaw, pitch, roll), middle


def _table(frame: Frame, scenes: Scenes) -> list[Solid]:
    """Return a table with things on it, a wall behind it, seen from above or from eye level."""
    rng, noise = frame.rng, frame.noise
    solids: list[Solid] = []
    for _ in range(rng.randint(*TABLE_THINGS)):
        x, z, size = rng.uniform(-2.4, 2.4), rng.uniform(-1.8, 2.2), rng.uniform(0.5, 1.1)
        spot = np.array((x, 0, z))
        turn = size * turned(rng.uniform(-3.1, 3.1) if rng.random() < 0.5 else rng.gauss(0, 0.4))
        solids += [one.moved(turn, spot) for one in things.any_thing(rng, noise, scenes.photo(rng))]
    top = things.surface(rng, noise, scenes.photo(rng))
    solids.append(solid("box", (30, 0.1, 30), (0, 0.1, 0), top))
    wall = things.surface(rng, noise, scenes.photo(rng))
    solids.append(solid("box", (30, 30, 0.1), (0, -29, rng.uniform(2.4, 6)), wall))
    pitch = rng.uniform(*TABLE_PITCH)
    frame_of_table = rng.uniform(0.75, 1.3) * min(frame.half) / 2.2 * turned(0, pitch, rng.gauss(0, 0.05))
    middle = np.array((rng.gauss(0, 0.1) * frame.half[0], rng.uniform(0, 0.5) * frame.half[1], 1.0))
    turn = turned(rng.gauss(0, 0.4))
    return [one.moved(turn, np.zeros(3)).moved(frame_of_table, middle) for one in solids]


def _shown(solids: Sequence[Solid], frame: Frame, alive: bool = False) -> Layer:
    """Return the layer of lit solids; those that live have fur or skin over what they are made of."""
    directions = frame.directions
    if alive:
        directions = _ruffled(frame)
    seen = cast(solids, directions)
    if alive:
        depth = smoothed(seen.depth, SOFT * frame.shape[1])
        seen = replace(
            seen, depth=depth, normal=_blended(seen.normal, normals(depth, frame.directions), seen.gloss)
        )
    there = np.isfinite(seen.depth)
    return Layer(lit(seen, directions, frame.rng), there.astype(np.float32), seen.depth)


def _blended(sharp: Array, soft: Array, gloss: Array) -> Array:
    """Return normals of soft surfaces, but the own ones where something is wet: eyes and noses."""
    return np.where((gloss > 0)[..., None], sharp, soft)


def _ruffled(frame: Frame) -> Array:
    """Return the rays, bent a little this way and that, more finely than things are: an outline of hair."""
    rng = frame.rng
    strength, fine = rng.uniform(*FUR) * frame.half[0], rng.uniform(60, 160) / frame.half[0]
    flat = frame.directions.reshape(-1, 3) * (fine, fine, 1)
    bent = [(frame.noise(flat + shift, 2) - 0.5).reshape(frame.shape) for shift in (0, 11)]
    bending: Array = np.stack([*bent, np.zeros(frame.shape)], 2).astype(np.float32)
    return np.asarray(frame.directions + np.float32(2 * strength) * bending)


def _backdrop(rear: float, frame: Frame, scenes: Scenes) -> Layer:
    """Return what is behind a thing that ends at ``rear``."""
    rng = frame.rng
    kind = rng.choices(list(BACKDROPS), list(BACKDROPS.values()))[0]
    if kind == "scene":
        return scenes.behind(rear, frame.shape, rng)
    depth = rear * (1 + math.exp(rng.uniform(*map(math.log, GAP))))
    if kind == "studio":
        return studio(frame.shape, depth, rng)
    skin = things.surface(rng, frame.noise, scenes.photo(rng))
    turn = depth * turned(rng.gauss(0, 0.2), rng.gauss(0, 0.2))
    wall = solid("box", (40, 40, 0.01), (0, 0, 0), skin).moved(turn, np.array((0, 0, depth)))
    seen = _shown([wall], frame)
    away = np.maximum(seen.depth, rear * 1.01)
    return Layer(out_of_focus(seen.colour, rng), np.ones(frame.shape), away)


class Producer:
    """Makes close-ups, one a scene, into a source's folder."""

    def __init__(self, kit: Kit, out: Folder) -> None:
        self.kit, self.out = kit, out

    def __call__(self, seed: int) -> str:
        """Make a scene's frame; return what became of it, for the log."""
        kind, picture, inverse = make(self.kit, seed)
        fault = Sieve(KEEP_CLOSE).fault(picture, inverse)
        stem = stem_of(seed, 0)
        if fault is None:
            self.out.write(stem, picture, inverse)
        self.out.finish(seed, [] if fault else [{"stem": stem, "scene": str(seed), "kind": kind}])
        return f"{kind}: {fault or 'kept'}"


def producer(assets: Path, out: Folder) -> Producer:
    """Return what makes close-ups with the stamps of ``assets``, before the sources that lie beside ``out``."""
    stamps = Stamps(assets / "usr/share/tuxpaint/stamps")
    return Producer(Kit(Scenes(out.path.parent), stamps if stamps.paths else None), out)
