"""Streets: a road over gentle hills, what stands beside it, and views along it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .buildings import building
from .camera import Stand, View, pick_lens, through
from .catalogue import Item
from .materials import plain
from .parameters import DRIVING, STREET_LENSES, VERGE, Lens, Style
from .road import Plan, draw_plan
from .scenes import Kit, Scene

KERB = 0.13
STOREY = 3.1
VIEWED = 0.7
"""The part of the road that cameras stand on."""
OLD_HOUSES = 0.2
"""The share of buildings that are models, not made here."""
PAINT = (0.85, 0.85, 0.8)
SIGNS = ((0.7, 0.05, 0.05), (0.05, 0.15, 0.6), (0.8, 0.7, 0.1), (0.9, 0.9, 0.9))


@dataclass(frozen=True)
class Street(Plan):
    """A street while it is built."""

    kit: Kit

    def extrude(self, profile: list[tuple[float, float]], material: Any, start: float, end: float) -> None:
        """Draw a profile along the road."""
        self.kit.stage.mesh(*self.road.extrude(profile, start, end), material)

    def on_side(self, side: int, profile: list[tuple[float, float]], material: Any) -> None:
        """Draw a profile along a whole side: 1 left, -1 right."""
        drawn = [(side * aside, up) for aside, up in profile]
        self.extrude(drawn, material, -self.road.length, self.road.length)

    def put(self, item: Item, along: float, aside: float, turn: float = 0.0, up: float = 0.0) -> None:
        """Place a model; unturned, its y axis points along the road."""
        heading = self.road.heading(along) - math.pi / 2
        self.kit.furniture.put(item, self.road.at(along, aside, up), heading + turn)

    def anywhere(self, part: float = 1.0) -> float:
        """Draw a place along the road."""
        return self.kit.rng.uniform(-part, part) * self.road.length

    def steps(self, low: float, high: float) -> list[float]:
        """Return places along the road, at varying distances."""
        places, along = [], -self.road.length
        while (along := along + self.kit.rng.uniform(low, high)) < self.road.length:
            places.append(along)
        return places


def build(kit: Kit) -> Scene:
    """Build a street."""
    rng = kit.rng
    plan = draw_plan(rng)
    street = Street(plan.style, plan.road, plan.half, plan.pavement, kit)
    style = plan.style
    _ground(street)
    _markings(street)
    for side in (-1, 1):
        _plots(street, side)
        for chance, add in _ROWS:
            if rng.random() < chance(style):
                add(street, side)
        _people(street, side)
    _traffic(street)
    _ends(street)
    kit.daylight()
    return Scene("street", str(kit.seed), lambda: _view(street), kit.daylight)


def _ground(street: Street) -> None:
    rng, palette = street.kit.rng, street.kit.palette
    grass = palette.of(rng.choice(("grass", "grass", "soil")), (2, 5), 0.2)
    low = -street.road.rise - 1.5
    street.kit.stage.box((0, 0, low - 0.5), (3000, 3000, 1), grass)
    street.extrude(
        [(-street.half, 0), (street.half, 0)],
        palette.of("road", (2, 6), 0.3),
        -street.road.length,
        street.road.length,
    )
    paving = palette.of("pavement", (0.8, 2.5))
    for side in (-1, 1):
        if street.pavement:
            street.on_side(side, [(street.half, 0), (street.half, KERB), (street.edge, KERB)], paving)
        bank = rng.choice((0, 0, rng.uniform(0.5, 4), rng.uniform(-1, 0)))
        far = rng.choice((low, rng.uniform(2, 20)))
        profile = [(street.edge, 0), (street.edge + 12, 0), (street.edge + 30, bank), (VERGE, far)]
        street.on_side(side, profile, grass)


def _markings(street: Street) -> None:
    rng, road = street.kit.rng, street.road
    paint = plain(PAINT, 0.8)
    dash, gap = rng.choice(((3, 3), (3, 6), (6, 9), (2 * road.length, 1)))
    lanes = max(1, round(2 * street.half / 3.6))
    for lane in range(1, lanes) if rng.random() < 0.8 else ():
        aside = street.half * (2 * lane / lanes - 1)
        for i in range(int(2 * road.length / (dash + gap))):
            start = -road.length + i * (dash + gap)
            street.extrude([(aside - 0.07, 0.012), (aside + 0.07, 0.012)], paint, start, start + dash)
    if rng.random() < 0.5:
        for side in (-1, 1):
            street.on_side(side, [(street.half - 0.35, 0.012), (street.half - 0.2, 0.012)], paint)
    for _ in range(rng.choice((0, 0, 1, 2)) if street.pavement else 0):
        along = street.anywhere(VIEWED)
        for i in range(int(2 * street.half)):
            aside = -street.half + i + 0.25
            street.extrude([(aside, 0.014), (aside + 0.5, 0.014)], paint, along, along + 3)


def _plots(street: Street, side: int) -> None:
    """Fill a side with buildings and gardens."""
    rng, road, style = street.kit.rng, street.road, street.style
    low, high = sorted(rng.randint(*style.storeys) for _ in range(2))
    along = -road.length
    while along < road.length:
        width = rng.uniform(6, 22)
        middle = along + width / 2
        if rng.random() < style.built * OLD_HOUSES:
            house = street.kit.one_of("houses", 3)
            width = max(house.size[:2])
            aside = street.edge + rng.uniform(*style.setback) + width / 2
            street.put(house, along + width / 2, side * aside, rng.choice((0, 1, 2, 3)) * math.pi / 2)
        elif rng.random() < style.built:
            depth = rng.uniform(6, 14)
            aside = street.edge + rng.uniform(*style.setback) + depth / 2
            size = (width - rng.choice((0, 1.5, 4)), depth, rng.randint(low, high) * STOREY)
            turn = road.heading(middle) + (0 if side > 0 else math.pi)
            building(street.kit, road.at(middle, side * aside), turn, size)
        else:
            for _ in range(rng.randint(1, 4)):
                aside = street.edge + rng.uniform(2.5, 14)
                _tree(street, along + rng.uniform(0, width), side * aside)
        along += width + rng.choice((0, 0, 0.5, 4))


def _tree(street: Street, along: float, aside: float, up: float = 0.0) -> None:
    rng = street.kit.rng
    choice = "trees" if rng.random() < 0.85 else "bushes"
    scale = rng.uniform(0.6, 1.3)
    street.kit.furniture.put(
        street.kit.one_of(choice, 3), street.road.at(along, aside, up), rng.uniform(0, 6.28), scale
    )


def _tree_row(street: Street, side: int) -> None:
    distance = street.kit.rng.uniform(7, 20)
    aside = street.half + 0.8 if street.pavement > 2 else street.edge + 2.5
    for along in street.steps(distance, distance + 1):
        _tree(street, along, side * aside, KERB if street.pavement > 2 else 0)


def _parked(street: Street, side: int) -> None:
    for along in street.steps(5, 8):
        if street.kit.rng.random() < street.style.parked * 1.5:
            turn = (0 if side < 0 else math.pi) + street.kit.rng.gauss(0, 0.03)
            street.put(street.kit.one_of("cars", 5), along, side * (street.half - 1.1), turn)


def _lamps(street: Street, side: int) -> None:
    rng, stage = street.kit.rng, street.kit.stage
    metal, height, distance = (
        plain((rng.uniform(0.05, 0.5),) * 3, 0.5, 0.5),
        rng.uniform(4, 8),
        rng.uniform(15, 30),
    )
    for along in street.steps(distance, distance + 1):
        foot = street.road.at(along, side * (street.half + 0.4))
        stage.solid("cylinder", foot, (0.14, 0.14, height), metal)
        arm = street.road.at(along, side * (street.half - 0.4), height)
        stage.box(arm, (0.15, 1.8, 0.12), metal, street.road.heading(along))


def _signs(street: Street, side: int) -> None:
    rng, stage = street.kit.rng, street.kit.stage
    metal = plain((0.4, 0.4, 0.4), 0.5, 0.5)
    for along in street.steps(12, 60):
        height, size = rng.uniform(1.9, 3.2), rng.uniform(0.4, 1.1)
        aside = side * (street.half + rng.uniform(0.3, 0.8))
        stage.solid("cylinder", street.road.at(along, aside), (0.07, 0.07, height), metal)
        plate = street.road.at(along, aside, height - size / 2)
        stage.box(plate, (0.1, size, size), plain(rng.choice(SIGNS), 0.5), street.road.heading(along))


def _rail(street: Street, side: int) -> None:
    metal, aside = plain((0.5, 0.5, 0.52), 0.4, 0.6), street.edge + 0.6
    street.on_side(side, [(aside, 0.45), (aside + 0.06, 0.6), (aside, 0.75)], metal)
    for along in street.steps(3.9, 4.1):
        street.kit.stage.solid("box", street.road.at(along, side * (aside + 0.1)), (0.1, 0.1, 0.7), metal)


def _hedge(street: Street, side: int) -> None:
    """Add a hedge, a wall, or a slope behind the pavement."""
    rng, palette = street.kit.rng, street.kit.palette
    material = palette.of(rng.choice(("grass", "wall", "wall")), (0.8, 2))
    height, width, aside = rng.uniform(0.6, 2.2), rng.uniform(0.15, 1), street.edge + 0.2
    profile = [(aside, -0.2), (aside, height), (aside + width, height), (aside + width, -0.2)]
    side_profile = [(side * a, up) for a, up in profile]
    along = -street.road.length
    while along < street.road.length:
        length = rng.uniform(6, 40)
        street.extrude(side_profile, material, along, min(along + length, street.road.length))
        along += length + rng.uniform(1.5, 6)


def _people(street: Street, side: int) -> None:
    rng, style = street.kit.rng, street.style
    for choice, number, inner in (
        ("people", rng.randint(*style.people), 0.4),
        ("street", rng.randint(*style.people) // 2, 0.9),
        ("cycles", rng.randint(*style.people) // 6, 0.5),
    ):
        for _ in range(number):
            aside = street.half + rng.uniform(inner, max(inner + 0.3, street.pavement))
            turn = rng.uniform(0, 6.28) if choice == "people" else rng.choice((0, 1, 2, 3)) * math.pi / 2
            street.put(street.kit.one_of(choice, 5), street.anywhere(0.8), side * aside, turn, KERB)


def _traffic(street: Street) -> None:
    rng = street.kit.rng
    taken: list[tuple[float, int]] = []
    for _ in range(rng.randint(*street.style.moving)):
        along, side = street.anywhere(), rng.choice((-1, 1))
        if any(lane == side and abs(along - other) < 18 for other, lane in taken):
            continue
        taken.append((along, side))
        item = street.kit.one_of(
            *rng.choices((("cars", 5), ("trucks", 2), ("cycles", 3)), (0.78, 0.14, 0.08))[0]
        )
        aside = side * street.half * rng.uniform(0.3, 0.5)
        street.put(item, along, aside, 0 if side < 0 else math.pi)


def _ends(street: Street) -> None:
    """Close the view along the road: the road has to end somewhere."""
    rng, road = street.kit.rng, street.road
    for end in (-1, 1):
        kind = rng.choices(("building", "trees", "open"), (0.45, 0.35, 0.2))[0]
        at = end * (road.length + 8)
        if kind == "building":
            size = (rng.uniform(14, 30), 10, rng.randint(*street.style.storeys) * STOREY)
            building(street.kit, road.at(at, rng.uniform(-5, 5)), road.heading(at) - end * math.pi / 2, size)
        for _ in range({"building": 0, "trees": 14, "open": 2}[kind]):
            _tree(street, at + end * rng.uniform(0, 25), rng.uniform(-30, 30))


def _view(street: Street) -> View | None:
    rng, road = street.kit.rng, street.road
    lens = pick_lens(STREET_LENSES, rng)
    along, back = street.anywhere(VIEWED), rng.choice((0, math.pi))
    if lens is DRIVING:
        aside, turn = rng.uniform(-0.75, 0.75) * street.half, rng.gauss(0, 0.1)
    else:
        aside, turn = rng.uniform(-1, 1) * (street.edge + 1), rng.gauss(0, 0.6)
    ground = _ground_at(street, along, aside, lens)
    return through(lens, Stand(ground, road.heading(along) + back + turn), rng) if ground else None


def _ground_at(street: Street, along: float, aside: float, lens: Lens) -> tuple[float, float, float] | None:
    """Return the point under the camera, None if something stands there."""
    x, y, z = street.road.at(along, aside)
    hit = street.kit.stage.cast((x, y, z + 60), (0, 0, -1))
    if hit is None or (hit[0].z > z + 0.4 and lens.height[1] < 5):
        return None
    return x, y, max(z, hit[0].z)


_ROWS: tuple[tuple[Callable[[Style], float], Callable[[Street, int], None]], ...] = (
    (lambda style: style.trees, _tree_row),
    (lambda style: style.parked * 2, _parked),
    (lambda style: 0.6 if style.pavement else 0.2, _lamps),
    (lambda _: 0.5, _signs),
    (lambda style: style.rail, _rail),
    (lambda style: style.hedge, _hedge),
)
"""What may stand along a side, with its chance."""
