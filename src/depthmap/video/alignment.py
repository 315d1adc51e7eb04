"""One scale and shift that bring a map to another, whatever else changed between them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grids import middle

Float32 = NDArray[np.float32]

_ROUNDS = 2
_ENOUGH = 1_300
"""Places from which two numbers are found as well as from more; with these few NumPy's BLAS begins no threads."""
_TUKEY = 4.685
"""Residuals beyond so many standard deviations have no part: 95 % efficiency for normal noise."""
SIGMA = 1.4826
"""Standard deviations that the median of absolute deviations of normal noise is."""
_EVERYWHERE = 1e-3
"""What places that moved still weigh: where everything moved, all of them together must do."""


class Line(NamedTuple):
    """``scale * x + shift``."""

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, x: Any) -> Any:
        """Return the value at ``x``."""
        return x * np.float32(self.scale) + np.float32(self.shift)


def fit(x: Float32, y: Float32, weights: Float32 | None = None, *, shift: bool = True) -> Line:
    """Return the line that brings ``x`` to ``y``, in spite of places where the two have little in common.

    Parameters
    ----------
    x, y : array
        Two maps of one shape; places that are not finite in both have no part.
    weights : array, optional
        How much each place counts, from 0 to 1.
    shift : bool
        False: the line goes through 0.

    Returns
    -------
    Line
        Its scale is above 0. Where the maps do not tell, it is the line that changes nothing.

    Notes
    -----
    Scale and shift of inverse depth by least squares: Ranftl et al., "Towards Robust Monocular Depth Estimation"
    (MiDaS), 2020, section 5. Robust by weights that are found anew in each round: Beaton and Tukey 1974, Holland and
    Welsch 1977. The slope is the ratio of the deviations (the reduced major axis: Samuelson 1942), as both maps
    have noise. That of least squares is less by the noise in ``x``, and a map that follows itself from frame to frame
    would shrink to nothing.
    """
    x, y = x.ravel(), y.ravel()
    base = np.ones(x.shape, np.float32) if weights is None else weights.ravel() + np.float32(_EVERYWHERE)
    seen = np.isfinite(x) & np.isfinite(y)
    if not seen.all():
        x, y, base = (values[seen] for values in (x, y, base))
    step = math.ceil(x.size / _ENOUGH) or 1
    maps = _Maps(x[::step], y[::step], base[::step], shift=shift)
    robust = maps.base
    for _ in range(_ROUNDS):
        found = maps.lines(robust)
        if found is None:
            return Line()
        robust = maps.robust(found.least)
    found = maps.lines(robust)
    return Line() if found is None else maps.whole(found.axis)


class _Found(NamedTuple):
    """The line by least squares of the residuals in y, and the reduced major axis."""

    least: Line
    axis: Line


class _Maps:
    """Two maps in rows, of which lines are found by other and other weights."""

    def __init__(self, x: Float32, y: Float32, base: Float32, *, shift: bool) -> None:
        self.base = base
        counts = base > 0.5
        self._counted = np.flatnonzero(counts if counts.any() else base)
        # From about the middle of each, so that sums of squares keep their digits.
        self._middle = (float(x.mean()), float(y.mean())) if shift and x.size else (0.0, 0.0)
        self._rows = np.empty((3, x.size), np.float32)
        self._rows[0] = shift
        np.subtract(x, np.float32(self._middle[0]), out=self._rows[1])
        np.subtract(y, np.float32(self._middle[1]), out=self._rows[2])

    def lines(self, weights: Float32) -> _Found | None:
        """Return the lines for these weights, from the middle on; None where the maps do not tell."""
        of_one, of_x, of_y = (self._rows * weights @ self._rows.T).astype(np.float64).tolist()
        total = of_one[0] or 1.0  # 0 without a shift, and then all sums of its row are
        mean_x, mean_y = of_one[1] / total, of_one[2] / total
        square_x, square_y = of_x[1] - total * mean_x**2, of_y[2] - total * mean_y**2
        both = of_x[2] - total * mean_x * mean_y
        if not (square_x > 0 and square_y > 0 and both > 0):
            return None
        least, axis = both / square_x, (square_y / square_x) ** 0.5
        return _Found(Line(least, mean_y - least * mean_x), Line(axis, mean_y - axis * mean_x))

    def robust(self, line: Line) -> Float32:
        """Return the weights with Tukey's biweight of each residual."""
        residuals: Float32 = np.array([-line.shift, -line.scale, 1], np.float32) @ self._rows
        reach = max(_TUKEY * SIGMA * middle(np.abs(residuals.take(self._counted))), 1e-12)
        residuals *= np.float32(1 / reach)
        residuals *= residuals
        inside: Float32 = np.maximum(1 - residuals, 0)
        inside *= inside
        inside *= self.base
        return inside

    def whole(self, line: Line) -> Line:
        """Return a line that was found from the middle on, for the maps as they were given."""
        x, y = self._middle
        return Line(line.scale, line.shift + y - line.scale * x)
