"""The line of a road: an arc over gentle hills, along which profiles are extruded and things are placed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
        faces = [
            (i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1)
            for i in range(cuts)
            for j in range(n - 1)
        ]
        return points, faces
