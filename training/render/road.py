"""The line of a road: an arc over gentle hills, along which profiles are extruded and things are placed; and the plan
of a street, drawn before anything is built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from .parameters import LENGTH, STYLE_SHARES, STYLES, WAVE, Style

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Road:
    """``along`` runs from -length to length; ``aside`` is positive on the left."""

    length: float
    curvature: float = 0.0
    rise: float = 0.0
    wave: float = 150.0
    phase: float = 0.0

    def heading(self, along: float) -> float:
        """Return the direction of the road, in radians."""
        return self.curvature * along

    def at(self, along: float, aside: float = 0.0, up: float = 0.0) -> Point:
        """Return a point beside the road."""
        angle, bend = self.heading(along), self.curvature
        if abs(bend) < 1e-9:
            x, y = along, 0.0
        else:
            x, y = math.sin(angle) / bend, (1 - math.cos(angle)) / bend
        return x - aside * math.sin(angle), y + aside * math.cos(angle), self.level(along) + up

    def level(self, along: float) -> float:
        """Return the height of the road."""
        return self.rise * math.sin(2 * math.pi * along / self.wave + self.phase)

    def extrude(
        self, profile: Sequence[tuple[float, float]], start: float, end: float, step: float = 3.0
    ) -> tuple[list[Point], list[tuple[int, ...]]]:
        """Return vertices and faces of a profile of (aside, up) drawn along a stretch of the road."""
        cuts = max(1, round((end - start) / step))
        points = [
            self.at(start + (end - start) * i / cuts, aside, up)
            for i in range(cuts + 1)
            for aside, up in profile
        ]
        n = len(profile)
        faces: list[tuple[int, ...]] = [
            (i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1)
            for i in range(cuts)
            for j in range(n - 1)
        ]
        return points, faces


@dataclass(frozen=True)
class Plan:
    """A street before it is built."""

    style: Style
    road: Road
    half: float
    """Half the width of the road."""
    pavement: float

    @property
    def edge(self) -> float:
        """Where the verge, or the plots, begin."""
        return self.half + self.pavement


def draw_plan(rng: Random) -> Plan:
    """Draw a street."""
    style = STYLES[rng.choices(list(STYLE_SHARES), list(STYLE_SHARES.values()))[0]]
    road = Road(
        length=rng.uniform(*LENGTH),
        curvature=rng.choice((0, 0, 1, -1)) / (style.bend * rng.uniform(1, 4)),
        rise=style.rise * rng.random() ** 2,
        wave=rng.uniform(*WAVE),
        phase=rng.uniform(0, 2 * math.pi),
    )
    pavement = rng.uniform(*style.pavement) if style.pavement else 0.0
    return Plan(style, road, rng.uniform(*style.road) / 2, pavement)
