"""Points of known distance in a picture, and the calibration that they give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .calibration import Calibration, fit
from .errors import UsageError
from .ranges import shown_range

# A share of the largest inverse depth: networks end at 0, and what they show so far away is the sky or like it.
_SKY = 0.01
# A point stands for its surroundings, of this share of the longer side each way: single pixels are noisy.
_REACH = 0.003
# Points contradict each other when the map shows one nearer by more than this share of its range ...
_CLEARLY = 0.1
# ... that is said to be farther by more than this factor.
_FARTHER = 1.25


class Point(NamedTuple):
    """A pixel (column, row; the top left one is 0, 0) and how far it is along the optical axis, in metres."""

    x: float
    y: float
    metres: float

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}={self.metres:g}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read ``X,Y=METRES``, such as ``320,240=1.5``.

        Raises
        ------
        UsageError
            When it is not three numbers written so.
        """
        place, _, metres = text.partition("=")
        try:
            x, y = map(float, place.split(","))
            return cls(x, y, float(metres.removesuffix("m")))
        except ValueError:
            raise UsageError(
                f"{text!r} is not X,Y=METRES, such as 320,240=1.5", "", "Give a column, a row, and metres."
            ) from None


@dataclass(frozen=True)
class KnownPoints:
    """Distances that somebody has measured in a picture, or in all pictures of a camera that stays put.

    Parameters
    ----------
    points : tuple of Point
        One or more, above 0 metres; infinite ones are points in the sky or on the horizon.
    far : float, optional
        Metres of the farthest that the picture shows; with it one point is enough.
    size : tuple of int, optional
        Width and height of the picture in which the points were measured; pictures of that shape and another size
        have them at the corresponding places.

    Raises
    ------
    UsageError
        When a number is out of range, or there are too few points.
    """

    points: tuple[Point, ...]
    far: float | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for point in self.points:
            if not (math.isfinite(point.x) and math.isfinite(point.y) and point.metres > 0):
                raise UsageError("A point has a column, a row, and metres above 0", point, "Correct it.")
        if self.far is not None and not self.far > 0:
            raise UsageError("The farthest is above 0 metres", self.far, "Correct it.")
        if len(self.points) < (2 if self.far is None else 1):
            raise UsageError(
                f"Metres need two points of known distance, not {len(self.points)}",
                remedy="Name two at clearly different distances, or one and how far the farthest is (--far).",
            )

    @classmethod
    def of(cls, points: Mapping[tuple[float, float], float], far: float | None = None) -> KnownPoints:
        """Make them of metres by (x, y)."""
        return cls(tuple(Point(x, y, metres) for (x, y), metres in points.items()), far)

    def calibrate(self, inverse_depth: NDArray[Any]) -> Calibration:
        """Return the calibration of a map (H, W) of relative inverse depth, NaN where nothing is known.

        The depth map's value of a point is the median around it.

        Raises
        ------
        UsageError
            When a point lies outside the picture or in the sky, the map says nothing there, or the points contradict
            the map.
        """
        height, width = inverse_depth.shape
        low, high = shown_range(inverse_depth)
        points = self._in(width, height)
        values = [_value(point, inverse_depth, high) for point in points]
        names = [f"the point {point}" for point in points]
        metres = [point.metres for point in points]
        if self.far is not None:
            values, names, metres = (
                [*values, low],
                [*names, f"the farthest ({self.far:g} m)"],
                [*metres, self.far],
            )
        _check_order(names, values, metres, high - low)
        calibration = fit(np.array(values), np.array(metres))
        for name, value, known in zip(names, values, metres, strict=True):
            if math.isfinite(known) and not calibration.scale * value + calibration.shift > 0:
                raise UsageError(
                    f"The points contradict each other: by the others, {name} is infinitely far",
                    remedy="Check its distance, or leave it out.",
                )
        return calibration

    def _in(self, width: int, height: int) -> list[Point]:
        """Return the points as they lie in a picture of that size."""
        across, down = (width / self.size[0], height / self.size[1]) if self.size else (1, 1)
        if not 0.99 < across / down < 1.01:
            raise UsageError(
                f"The calibration is of a picture of {self.size} pixels, this one has {(width, height)}",
                remedy="Use it for pictures of one camera, of one shape.",
            )
        points = [Point((p.x + 0.5) * across - 0.5, (p.y + 0.5) * down - 0.5, p.metres) for p in self.points]
        for point in points:
            if not (0 <= round(point.x) < width and 0 <= round(point.y) < height):
                raise UsageError(
                    f"The point {point} lies outside the picture, which is {width} × {height} pixels",
                    remedy="Columns and rows count from 0 at the top left.",
                )
        return points

    def as_dict(self) -> dict[str, Any]:
        """Return them as builtins, for JSON."""
        return {
            "points": [point._asdict() for point in self.points],
            "far": self.far,
            "picture": self.size and {"width": self.size[0], "height": self.size[1]},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KnownPoints:
        """Rebuild them from `as_dict`.

        Raises
        ------
        UsageError
            When something is missing, no number, or out of range.
        """
        try:
            points = tuple(Point(*(float(p[key]) for key in Point._fields)) for p in data["points"])
            far, picture = data.get("far"), data.get("picture")
            size = (int(picture["width"]), int(picture["height"])) if picture else None
            if size and min(size) < 1:
                raise ValueError(f"a picture of {size} pixels")
            return cls(points, None if far is None else float(far), size)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UsageError(
                f"These are no points of known distance: {error!r}",
                remedy="Make the file anew: --calibrate X,Y=METRES ... --calibration FILE.",
            ) from error


def _value(point: Point, inverse_depth: NDArray[Any], high: float) -> float:
    height, width = inverse_depth.shape
    x, y, reach = round(point.x), round(point.y), int(_REACH * max(width, height))
    around = inverse_depth[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    around = around[np.isfinite(around)]
    if not around.size:
        raise UsageError(
            f"The depth map says nothing about the point {point}", remedy="Choose another point."
        )
    value = float(np.median(around))
    if math.isfinite(point.metres) and value < _SKY * high:
        raise UsageError(
            f"The point {point} is sky in the depth map, or as far as it goes",
            remedy="Choose a nearer point, or give it 'inf' metres.",
        )
    return value


def _check_order(names: Iterable[str], values: list[float], metres: list[float], span: float) -> None:
    """Refuse points of which the map clearly shows one nearer that is said to be clearly farther."""
    for (name, value, known), (other, lesser, less) in permutations(
        zip(names, values, metres, strict=True), 2
    ):
        if value - lesser > _CLEARLY * span and known > _FARTHER * less:
            raise UsageError(
                f"The points contradict the depth map: it shows {name} nearer than {other}",
                remedy="Check which distance belongs to which point: x is the column, y the row.",
            )
