"""An empty room: what is free in it, and its floor, ceiling and walls with windows and doors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .materials import any_colour, plain
from .scenes import Kit
from .stage import pose

WALL = 0.15
WITHIN = 0.08
"""How far from a wall things stand."""
FRAMES = ((0.85, 0.85, 0.82), (0.25, 0.13, 0.06), (0.1, 0.1, 0.1))
Opening = tuple[float, float, float, float]
"""Along the wall from here to there, and up from here to there."""


@dataclass(frozen=True)
class Block:
    """A rectangle on the floor that something takes, and its height."""

    x: float
    y: float
    width: float
    depth: float
    height: float

    def holds(self, x: float, y: float, margin: float) -> bool:
        """Whether a point is inside, or nearer than ``margin``."""
        return abs(x - self.x) < self.width / 2 + margin and abs(y - self.y) < self.depth / 2 + margin


@dataclass(frozen=True)
class Side:
    """A wall: where it starts, its direction, its length, its openings."""

    start: tuple[float, float]
    angle: float
    length: float
    openings: list[Opening]

    def matrix(self, along: float, up: float, inwards: float = 0.0) -> Any:
        """Return the frame of a point on the wall: x along it, y into the room."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x, y = self.start
        return pose((x + along * c - inwards * s, y + along * s + inwards * c, up), self.angle)


@dataclass
class Room:
    """A room while it is built; its middle is the origin."""

    kit: Kit
    kind: str
    width: float
    length: float
    height: float
    blocks: list[Block] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)

    def free(self, block: Block) -> bool:
        """Whether a block is inside the room and touches no other."""
        inside = (
            abs(block.x) + block.width / 2 < self.width / 2 - WITHIN
            and abs(block.y) + block.depth / 2 < self.length / 2 - WITHIN
        )
        return inside and not any(
            abs(block.x - b.x) < (block.width + b.width) / 2 + 0.03
            and abs(block.y - b.y) < (block.depth + b.depth) / 2 + 0.03
            for b in self.blocks
        )

    def spot(self, part: float = 1.0) -> tuple[float, float]:
        """Draw a place on the floor."""
        rng = self.kit.rng
        return rng.uniform(-part, part) * self.width / 2, rng.uniform(-part, part) * self.length / 2


def build_shell(room: Room) -> None:
    kit, rng, stage = room.kit, room.kit.rng, room.kit.stage
    floor, ground = kit.palette.of("floor", (0.6, 2.5)), kit.palette.of(rng.choice(("grass", "soil")), (1, 4))
    stage.box((0, 0, -0.05), (room.width + 0.3, room.length + 0.3, 0.1), floor)
    if rng.random() < 0.8:
        stage.box((0, 0, -0.6 - rng.choice((0, 0, 3))), (300, 300, 0.1), ground)
    if room.kind != "patio":
        ceiling = plain(any_colour(rng, 0.7, 0.95, 0.12)) if rng.random() < 0.85 else kit.palette.wall(0.6)
        stage.box((0, 0, room.height + 0.05), (room.width + 0.3, room.length + 0.3, 0.1), ceiling)
    wall = kit.palette.wall(0.6)
    w, d = room.width / 2, room.length / 2
    for start, quarter in (((-w, -d), 0), ((w, -d), 1), ((w, d), 2), ((-w, d), 3)):
        length = room.length if quarter % 2 else room.width
        side = Side(start, quarter * math.pi / 2, length, _openings(room, length))
        _wall(room, side, wall if rng.random() < 0.7 else kit.palette.wall(0.6))
        room.sides.append(side)
    if rng.random() < 0.35:  # walls of other rooms, behind the openings
        away = max(room.width, room.length) / 2 + rng.uniform(2, 4)
        for quarter in rng.sample(range(4), 3):
            where = (
                away * math.cos(quarter * math.pi / 2),
                away * math.sin(quarter * math.pi / 2),
                room.height / 2,
            )
            stage.box(where, (WALL, 2 * away, room.height), kit.palette.wall(0.6), quarter * math.pi / 2)


def _openings(room: Room, length: float) -> list[Opening]:
    rng, found, along = room.kit.rng, [], 0.4
    while along < length - 1.2:
        what = rng.random()
        if what < 0.28:  # a window
            end, sill = (
                along + min(rng.uniform(0.8, 2.2), length - along - 0.3),
                rng.choice((0.9, 0.9, 0.6, 0.05)),
            )
            found.append((along, end, sill, min(room.height - 0.15, sill + rng.uniform(1, 1.8))))
            along = end + rng.uniform(0.3, 1.5)
        elif what < 0.38:  # a door
            found.append((along, along + 0.9, 0.0, min(2.05, room.height - 0.1)))
            along += 1.4
        else:
            along += rng.uniform(0.7, 2)
    return found


def _wall(room: Room, side: Side, material: Any) -> None:
    """Build a wall around its openings, most of them with frames."""
    rng, stage, h = room.kit.rng, room.kit.stage, room.height

    def block(piece: Opening, what: Any, thick: float = WALL) -> None:
        start, end, low, high = piece
        if end - start > 0.01 and high - low > 0.01:
            frame = side.matrix((start + end) / 2, (low + high) / 2)
            stage.box((0, 0, 0), (end - start, thick, high - low), what, within=frame)

    done = 0.0
    for start, end, sill, top in side.openings:
        for piece in ((done, start, 0, h), (start, end, 0, sill), (start, end, top, h)):
            block(piece, material)
        done = end
        if rng.random() < 0.8:
            wood, f, middle = plain(rng.choice(FRAMES), 0.5), rng.uniform(0.04, 0.1), (start + end) / 2
            bars = [(start, start + f, sill, top), (end - f, end, sill, top), (start, end, top - f, top)]
            if sill > 0.1:
                bars += [(start, end, sill, sill + f), (middle - f / 2, middle + f / 2, sill, top)]
            for bar in bars:
                block(bar, wood, WALL * 1.15)
    block((done, side.length, 0, h), material)
