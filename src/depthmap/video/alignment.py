"""One scale and shift that bring a map to another, whatever else changed between them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grids import middle

Float32 = NDArray[np.float32]

_ROUNDS = 4
_ENOUGH = 5_000
"""Places from which two numbers are found as well as from more; up to here NumPy's BLAS begins no threads."""
_TUKEY = 4.685
"""Residuals beyond so many standard deviations have no part: 95 % efficiency for normal noise."""
_SIGMA = 1.4826
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
    x, y, weights = _thinned(x), _thinned(y), None if weights is None else _thinned(weights)
    seen = np.isfinite(x) & np.isfinite(y)
    base = (
        seen.astype(np.float32) if weights is None else np.where(seen, weights + np.float32(_EVERYWHERE), 0)
    )
    x, y = np.where(seen, x, 0), np.where(seen, y, 0)
    line = Line()
    robust = base
    for _ in range(_ROUNDS):
        found = _line(x, y, robust, shift=shift)
        if found is None:
            return Line()
        line = found.least
        robust = base * _tukey(y - line(x), base)
    found = _line(x, y, robust, shift=shift)
    return found.axis if found is not None else Line()


def _thinned(values: Float32) -> Float32:
    """Return every second place, or fewer, of a map that has more than enough for two numbers."""
    step = math.ceil(math.sqrt(values.size / _ENOUGH))
    return values[::step, ::step]


class _Found(NamedTuple):
    """The line by least squares of the residuals in y, and the reduced major axis."""

    least: Line
    axis: Line


def _line(x: Float32, y: Float32, weights: Float32, *, shift: bool) -> _Found | None:
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        return None
    mean_x = float(np.vdot(weights, x)) / total if shift else 0.0
    mean_y = float(np.vdot(weights, y)) / total if shift else 0.0
    from_x, from_y = x - np.float32(mean_x), y - np.float32(mean_y)
    weighted = weights * from_x
    of_x, of_y, of_both = (
        float(np.vdot(weighted, from_x)),
        float(np.vdot(weights * from_y, from_y)),
        float(np.vdot(weighted, from_y)),
    )
    if not (of_x > 0 and of_y > 0 and of_both > 0):
        return None
    least, axis = of_both / of_x, (of_y / of_x) ** 0.5
    return _Found(Line(least, mean_y - least * mean_x), Line(axis, mean_y - axis * mean_x))


def _tukey(residuals: Float32, base: Float32) -> Float32:
    """Return the biweight of each residual."""
    away = np.abs(residuals)
    counted = away[base > 0.5] if (base > 0.5).any() else away[base > 0]
    reach = np.float32(max(_TUKEY * _SIGMA * middle(counted), 1e-12))
    inside: Float32 = np.clip(1 - (away / reach) ** 2, 0, None) ** 2
    return inside
