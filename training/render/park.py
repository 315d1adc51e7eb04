"""Parks and wild ground: hills with trees, bushes, huts, people and odd things."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .buildings import building
from .camera import Stand, View, pick_lens, through
from .parameters import OPEN_LENSES
from .scenes import Kit, Scene
from .tracks import Karts

Spot = Callable[[float], tuple[float, float, float]]
"""Draws a place on the ground, within a part of the park."""
GRID = 160
"""Vertices along a side of the ground."""
OBJECTS = (
    ("trees", (5, 60), (0.5, 1.4)),
    ("bushes", (0, 60), (0.6, 1.6)),
    ("rocks", (0, 8), (0.3, 1.2)),
    ("finds", (0, 5), (0.6, 1.3)),
    ("street", (3, 18), (1.0, 1.0)),
    ("people", (0, 10), (1.0, 1.0)),
    ("animals", (0, 5), (0.8, 1.2)),
    ("cars", (0, 3), (1.0, 1.0)),
)
"""How many stand about, and their scales."""
# fmt: off
DECORATION = (
    "accacia", "autumnBirch", "autumnTree", "cypress", "palmTree", "pinetree", "jungleTree",
    "old_house", "aztecHut", "silvianHouse", "igloo", "hayBall", "oldCar", "woodLodge",
    "watertower", "fern", "redFlowerBush", "silvianKiosk", "modernHousing", "deadTree", "treeStump",
)
# fmt: on
"""Of SuperTuxKart's library."""


def build(kit: Kit) -> Scene:
    """Build a park."""
    spot = grounds(kit)
    kit.daylight()
    return Scene("park", str(kit.seed), lambda: view(kit, spot), kit.daylight)


def grounds(kit: Kit) -> Spot:
    """Lay out hills with what stands on them; return what draws places there."""
    spot = ground(kit, ("grass", "grass", "soil", "pavement"), (0.3, 0.8, 2, 5))
    _scatter(kit, spot)
    return spot


def ground(
    kit: Kit, covers: Sequence[str], hills: Sequence[float], reach: tuple[float, float] = (15, 40)
) -> Spot:
    """Lay out bare hills, so many metres high to each 100 metres; return what draws places within reach."""
    rng = kit.rng
    size = rng.uniform(80, 400)
    heights = terrain(kit.seed, rng.choice(hills) * size / 100, flat=rng.uniform(0, 10) / size)
    side = np.linspace(-size / 2, size / 2, GRID)
    points = np.stack([*np.meshgrid(side, side), heights], 2).reshape(-1, 3)
    corners = np.arange(GRID * GRID).reshape(GRID, GRID)
    faces = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], 2)
    cover = kit.palette.of(rng.choice(covers), (2, 6), 0.2)
    kit.stage.mesh(points.tolist(), faces.reshape(-1, 4).tolist(), cover).data.shade_smooth()
    radius = min(size / 2 - 4, rng.uniform(*reach))

    def spot(part: float) -> tuple[float, float, float]:
        """Draw a place within reach, on the ground."""
        angle, distance = rng.uniform(0, 2 * math.pi), radius * part * math.sqrt(rng.random())
        x, y = distance * math.cos(angle), distance * math.sin(angle)
        row, column = (min(GRID - 1, round((v / size + 0.5) * (GRID - 1))) for v in (y, x))
        return x, y, float(heights[row, column]) - 0.03

    return spot


def terrain(seed: int, hills: float, flat: float) -> NDArray[np.float64]:
    """Return heights: noise of five scales, level in the middle."""
    dice = np.random.default_rng(seed)
    heights = np.zeros((GRID, GRID))
    for octave in range(5):
        side = 2 ** (octave + 1) + 1
        noise = Image.fromarray(dice.standard_normal((side, side)).astype(np.float32))
        heights += np.asarray(noise.resize((GRID, GRID), Image.Resampling.BICUBIC)) * hills / 2**octave
    away = np.linspace(-0.5, 0.5, GRID)
    distance = np.hypot(*np.meshgrid(away, away))
    heights *= np.clip((distance - flat) / 0.3, 0.03, 1)
    return np.asarray(heights - heights[GRID // 2, GRID // 2])


def _scatter(kit: Kit, spot: Spot) -> None:
    rng = kit.rng
    for choice, number, scales in OBJECTS:
        for _ in range(rng.randint(*number)):
            kit.furniture.put(kit.one_of(choice, 3), spot(1), rng.uniform(0, 6.28), rng.uniform(*scales))
    karts = Karts(kit.stage, kit.assets.karts)
    for name in rng.sample(DECORATION, rng.randint(2, 5)):
        for _ in range(rng.randint(1, 5)):
            karts.decorate(name, spot(1), rng.uniform(0, 6.28), rng.uniform(0.6, 1.3))
    for _ in range(rng.choice((0, 0, 1, 3, 5))):
        size = (rng.uniform(5, 14), rng.uniform(5, 10), rng.uniform(3, 10))
        if rng.random() < 0.5:
            building(kit, spot(1.1), rng.uniform(0, 6.28), size)
        else:
            kit.furniture.put(kit.one_of("houses", 3), spot(1.1), rng.uniform(0, 6.28), rng.uniform(0.5, 1))
    for _ in range(rng.choice((0, 2, 6, 12))):
        kit.odd_thing(spot(0.6), kit.sides(0.2, 2))


def view(kit: Kit, spot: Spot) -> View | None:
    """Draw a view towards the middle, from a place that nothing is built on."""
    rng = kit.rng
    lens = pick_lens(OPEN_LENSES, rng)
    x, y, z = spot(0.9)
    hit = kit.stage.cast((x, y, z + 60), (0, 0, -1))
    if hit is None or (hit[0].z > z + 0.4 and lens.height[1] < 5):
        return None
    yaw = math.atan2(-y, -x) + rng.gauss(0, 0.8)
    return through(lens, Stand((x, y, max(z, hit[0].z)), yaw), rng)
