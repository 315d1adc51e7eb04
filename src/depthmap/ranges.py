"""Ranges of maps: what a file or a picture spans, how it spreads, and what is assumed where it is not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if (
    TYPE_CHECKING
):  # NumPy is loaded when something is written: commands list outputs and colour maps without it
    import numpy as np
    from numpy.typing import NDArray

RATIO = 10.0
"""How many times as far as the nearest the farthest point is taken to be, in 3D, where no metres are known."""
EYES = 2.5
"""How far the nearest is shifted against the farthest between the views of two eyes, in percent of the width."""
EYES_LIMITS = (0.0, 20.0)
"""The least and the greatest such shift."""
STRAY = 0.001
"""Share of the pixels at either end of the range that a picture for the eye need not show."""
_ROWS = 64  # a block of rows stays in the processor's cache: ten times as fast as the whole map at once


def value_range(depth: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest finite value, NaN twice when there is none."""
    import numpy as np

    low, high = float(depth.min()), float(depth.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = depth[np.isfinite(depth)]
    return (float(finite.min()), float(finite.max())) if finite.size else (float("nan"), float("nan"))


def shown_range(depth: NDArray[Any]) -> tuple[float, float]:
    """Return the range that a picture for the eye shows: that of all values but a thousandth at either end.

    A few stray pixels would else leave nothing of the colours for the rest. Maps of up to a thousand pixels are
    shown whole.
    """
    import numpy as np

    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return float("nan"), float("nan")
    last = finite.size - 1
    places = [math.floor(STRAY * last), math.ceil((1 - STRAY) * last)]
    finite.partition(places)
    low, high = finite[places]
    return (float(low), float(high)) if high > low else value_range(depth)


def quantised(
    depth: NDArray[Any], levels: int, limits: tuple[float, float] | None = None
) -> NDArray[np.uint16]:
    """Spread the values over 0 (farthest) to ``levels - 1`` (nearest, at most 65535); constants become 0.

    ``limits`` are the values that become 0 and ``levels - 1``, by default the least and the greatest.
    """
    import numpy as np

    low, high = limits or value_range(depth)
    steps = np.zeros(depth.shape, dtype=np.uint16)
    if not high > low:
        return steps
    for top in range(0, len(depth), _ROWS):
        rows = np.subtract(depth[top : top + _ROWS], low, dtype=np.float64)  # in float32 it might overflow
        rows *= (levels - 1) / (high - low)
        np.fmax(np.rint(rows, out=rows), 0, out=rows)  # of NaN and 0 it takes the 0
        steps[top : top + _ROWS] = np.fmin(rows, levels - 1, out=rows)
    return steps
