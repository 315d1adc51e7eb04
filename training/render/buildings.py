"""Buildings with windows, doors, roofs, balconies and awnings."""

from __future__ import annotations

import math
from typing import Any

from mathutils import Matrix  # type: ignore[import-not-found]  # part of bpy

from .materials import any_colour, plain
from .scenes import Kit
from .stage import Vec, pose

GLASS = ((0.03, 0.04, 0.06), (0.1, 0.15, 0.2), (0.3, 0.35, 0.4), (0.5, 0.45, 0.3))
FRAMES = ((0.8, 0.8, 0.8), (0.2, 0.1, 0.05), (0.05, 0.05, 0.05), (0.6, 0.55, 0.45))
STOREY = (2.7, 3.6)
GABLES_UP_TO = 12.0
DOOR = (1.1, 2.1)


class Quads:
    """Rectangles on the walls of a building, gathered into one mesh."""

    def __init__(self) -> None:
        self.vertices: list[Vec] = []

    def add(self, wall: Any, along: float, up: float, width: float, height: float) -> None:
        """Add one; ``along`` is measured from the middle of the wall."""
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            self.vertices.append(
                wall @ Matrix.Translation((along + a * width / 2, 0, up + b * height / 2)) @ ORIGIN
            )

    def build(self, kit: Kit, matrix: Any, material: Any) -> None:
        """Put them on the stage."""
        faces = [range(i, i + 4) for i in range(0, len(self.vertices), 4)]
        kit.stage.mesh(self.vertices, faces, material).matrix_world = matrix


ORIGIN = Matrix.Translation((0, 0, 0)).translation


def building(kit: Kit, foot: Vec, turn: float, size: Vec) -> None:
    """Add a building; its front faces -y before it is turned."""
    rng, stage = kit.rng, kit.stage
    width, depth, height = size
    matrix = pose(foot, turn)
    wall, frame = kit.palette.wall(painted=0.3), plain(rng.choice(FRAMES), 0.7)
    stage.box((0, 0, height / 2 - 1), (width, depth, height + 2), wall, within=matrix)  # 2 m in the ground
    _openings(kit, matrix, size, frame)
    if height < GABLES_UP_TO and rng.random() < 0.5:
        _gable(kit, matrix @ Matrix.Translation((0, 0, height)), width, depth)
    else:
        stage.box((0, 0, height + 0.2), (width + 0.3, depth + 0.3, 0.4), frame, within=matrix)
    if rng.random() < 0.3:
        awning = plain(any_colour(rng))
        where = (rng.uniform(-width / 5, width / 5), -depth / 2 - 0.6, 2.6)
        stage.box(where, (rng.uniform(2, min(5, width)), 1.2, 0.1), awning, within=matrix)


def _openings(kit: Kit, matrix: Any, size: Vec, frame: Any) -> None:
    rng, (width, depth, height) = kit.rng, size
    storey, pane, rise = rng.uniform(*STOREY), rng.uniform(0.8, 1.8), rng.uniform(1.1, 2.0)
    gap, storeys, balconies = rng.uniform(0.6, 2.2), max(1, int(height / storey)), rng.random() < 0.35
    panes, frames = Quads(), Quads()
    walls = [
        (width, pose((0, 0, 0), angle) @ Matrix.Translation((0, -depth / 2, 0))) for angle in (0, math.pi)
    ] + [
        (depth, pose((0, 0, 0), angle) @ Matrix.Translation((0, -width / 2, 0)))
        for angle in (math.pi / 2, -math.pi / 2)
    ]
    for length, wall in walls:
        columns = int((length - 0.4) / (pane + gap))
        for floor in range(storeys):
            for column in range(columns):
                along, up = length * ((column + 0.5) / columns - 0.5), (floor + 0.5) * storey
                if up + rise / 2 > height:
                    continue
                if floor == 0 and rng.random() < 0.15:
                    frames.add(_before(wall, 0.03), along, DOOR[1] / 2, *DOOR)
                    continue
                frames.add(_before(wall, 0.02), along, up, pane + 0.16, rise + 0.16)
                panes.add(_before(wall, 0.04), along, up, pane, rise)
                if balconies and floor and rng.random() < 0.3 and wall is walls[0][1]:
                    _balcony(kit, matrix, (along, -depth / 2 - 0.5, floor * storey), frame)
    for quads, material in ((panes, plain(rng.choice(GLASS), rng.uniform(0.05, 0.25))), (frames, frame)):
        quads.build(kit, matrix, material)


def _before(wall: Any, distance: float) -> Any:
    return wall @ Matrix.Translation((0, -distance, 0))


def _balcony(kit: Kit, matrix: Any, where: Vec, material: Any) -> None:
    x, y, z = where
    kit.stage.box((x, y, z), (2.2, 1.0, 0.12), material, within=matrix)
    kit.stage.box((x, y - 0.47, z + 0.5), (2.2, 0.06, 0.9), material, within=matrix)


def _gable(kit: Kit, matrix: Any, width: float, depth: float) -> None:
    rng = kit.rng
    eaves, ridge = rng.uniform(0.2, 0.6), rng.uniform(1, 3.5)
    a, b = width / 2 + eaves, depth / 2 + eaves
    corners = [(-a, -b, 0), (a, -b, 0), (a, b, 0), (-a, b, 0), (-a, 0, ridge), (a, 0, ridge)]
    faces = [(0, 1, 5, 4), (2, 3, 4, 5), (0, 4, 3), (1, 2, 5), (0, 3, 2, 1)]
    kit.stage.mesh(corners, faces, kit.palette.of("roof", (1, 3))).matrix_world = matrix
