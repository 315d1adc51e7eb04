"""Wilderness: ground that no track has, grown over with plants, strewn with houses, things, rocks, walls."""

from __future__ import annotations

import math

from . import park
from .parameters import WILD
from .scenes import Kit, Scene
from .tracks import Karts


def build(kit: Kit) -> Scene:
    """Build a wilderness."""
    rng = kit.rng
    spot = park.ground(kit, WILD.covers, WILD.hills, WILD.reach)
    _rocks(kit, spot)
    karts = Karts(kit.stage, kit.assets.karts)
    for names, kinds, number, scales in (
        (WILD.plants, WILD.kinds_of_plants, WILD.number_of_plants, WILD.plant_scales),
        (WILD.things, WILD.kinds_of_things, WILD.number_of_things, WILD.thing_scales),
    ):
        chosen = rng.sample(names, rng.randint(*kinds))
        scale = rng.uniform(*scales)
        for _ in range(rng.randint(*number)):
            size = scale * math.exp(rng.gauss(0, 0.3))
            karts.decorate(rng.choice(chosen), spot(1.2), rng.uniform(0, 2 * math.pi), size)
    for choice, kinds_of_models, number, scales in WILD.models:
        for _ in range(rng.randint(*number)):
            item, size = kit.one_of(choice, kinds_of_models), rng.uniform(*scales)
            kit.furniture.put(item, spot(1.2), rng.uniform(0, 2 * math.pi), size)
    kit.daylight()
    return Scene("wild", str(kit.seed), lambda: park.view(kit, spot), kit.daylight)


def _rocks(kit: Kit, spot: park.Spot) -> None:
    """Add boulders, half sunk, and walls, of a few textures."""
    rng = kit.rng
    looks = [kit.palette.of(rng.choice(("any", "wall", "soil")), (1, 6)) for _ in range(3)]
    for kind, number, sizes in (("monkey", WILD.rocks, (0.5, 6)), ("box", WILD.walls, (1, 12))):
        for _ in range(rng.randint(*number)):
            x, y, z = spot(1.2)
            size = (rng.uniform(*sizes), rng.uniform(*sizes), rng.uniform(*sizes) * 0.7)
            foot = (x, y, z - size[2] * rng.uniform(0.1, 0.5))
            kit.stage.solid(kind, foot, size, rng.choice(looks), rng.uniform(0, 2 * math.pi))
