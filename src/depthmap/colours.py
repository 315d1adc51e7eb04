"""Colour maps: control points, the tables of 256 colours drawn through them, and depth in these colours."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .ranges import quantised, shown_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_MAP = "inferno"
# sRGB at equal distances, from the farthest to the nearest. The points of inferno, viridis and magma are those of
# N. Smith, S. van der Walt and E. Firing (CC0; perceptually uniform, their lightness rises steadily); turbo's
# are of A. Mikhailov's map, which tells more depths apart but is brightest in the middle.
COLOUR_MAPS = {
    "inferno": "000004 1b0c42 4b0c6b 781c6d a52c60 cf4446 ed6925 fb9a06 f7d03c fcffa4",
    "viridis": "440154 482878 3e4a89 31688e 26828e 1f9e89 35b779 6dcd59 b4de2c fde725",
    "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
    "turbo": "30123b 4662d7 36aaf9 1ae4b6 72fe5e c7ef34 faba39 f66b19 cb2a04 7a0403",
    "grey": "000000 ffffff",
}


@cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """Return the ``(256, 3)`` sRGB table of a map, drawn through its points by cubic Hermite splines.

    Raises
    ------
    UsageError
        When no map has that name.
    """
    import numpy as np

    if name not in COLOUR_MAPS:
        raise UsageError("No colour map has this name", name, f"Known: {', '.join(COLOUR_MAPS)}.")
    points = np.array([list(bytes.fromhex(colour)) for colour in COLOUR_MAPS[name].split()], dtype=np.float64)
    slopes = np.gradient(points, axis=0)
    place = np.linspace(0, len(points) - 1, 256)
    left = np.minimum(place.astype(np.intp), len(points) - 2)
    t = (place - left)[:, None]
    table = (
        (1 + 2 * t) * (1 - t) ** 2 * points[left]
        + t * (1 - t) ** 2 * slopes[left]
        + t**2 * (3 - 2 * t) * points[left + 1]
        + t**2 * (t - 1) * slopes[left + 1]
    )
    colours: NDArray[np.uint8] = np.rint(np.clip(table, 0, 255)).astype(np.uint8)
    colours.flags.writeable = False  # the cache hands the same table to everybody
    return colours


def coloured(
    inverse_depth: NDArray[Any], colours: str = DEFAULT_MAP, limits: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Return inverse depth ``(H, W)`` as ``(H, W, 3)`` sRGB, uint8.

    Its colours span ``limits``, by default the map's `shown_range`. NaN gets the colour of what is farthest.

    Raises
    ------
    UsageError
        When no colour map has that name.
    """
    return colour_table(colours).take(
        quantised(inverse_depth, 256, limits or shown_range(inverse_depth)), axis=0
    )
