"""Least squares in one unknown by Levenberg and Marquardt, stopping where MINPACK's ``lmder`` stops.

Moré, "The Levenberg-Marquardt algorithm: implementation and theory", 1978. Networks whose points are fitted were
published with a fit that stops early, so whoever is to give their depths has to stop in the same place. SciPy, which
calls MINPACK ``method="lm"``, would be a large package for one unknown: here each step has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Residuals = Callable[[float], NDArray[np.floating[Any]]]

_RADIUS = 100.0
"""The first bound of a step."""
_EXACT = 1e-8
"""Where the cosine between residuals and derivative is less, or steps are bounded to less of x, nothing is to gain."""
_LEAST, _MOST = 1e-100, 1e100
"""Derivatives beyond these, whose squares are no numbers, lead nowhere."""
_EVALUATIONS = 100
_ACCEPTED = 1e-4
"""The share of the predicted gain that a step must have to be taken."""
_DIFFERENCE = math.sqrt(np.finfo(np.float64).eps)


def least_squares(residuals: Residuals, tolerance: float) -> float:
    """Return where the sum of the squares of residuals is least, looking from 0 on.

    Parameters
    ----------
    residuals : callable
        Residuals, an array of one dimension in float64, at a number.
    tolerance : float
        The search ends where a step gains no more than this share of the sum of squares, and was to gain no more.
    """
    x = damping = scale = 0.0
    radius = _RADIUS
    here = residuals(x)
    evaluations, moved = 1, False
    while True:
        norm = _norm(here)
        difference = math.copysign(_DIFFERENCE * max(1.0, abs(x)), x)
        derivative = (residuals(x + difference) - here) / ((x + difference) - x)
        steepness, gradient = _norm(derivative), float(derivative @ here)
        scale = max(scale, steepness)
        if not (abs(gradient) > _EXACT * steepness * norm and _LEAST < steepness < _MOST):
            return x
        ratio = 0.0
        while ratio < _ACCEPTED:
            damping = _damping(damping, gradient, steepness, scale, radius)
            step = -gradient / (steepness**2 + damping * scale**2)
            length = scale * abs(step)
            radius = radius if moved else min(radius, length)
            there = residuals(x + step)
            evaluations += 1
            gain = 1 - (_norm(there) / norm) ** 2 if 0.1 * _norm(there) < norm else -1.0
            linear, damped = (steepness * step / norm) ** 2, damping * (length / norm) ** 2
            predicted = linear + 2 * damped
            ratio = gain / predicted if predicted else 0.0
            if ratio <= 0.25:
                shrink = 0.5 if gain >= 0 else 0.5 * (linear + damped) / (linear + damped - 0.5 * gain)
                shrink = 0.1 if 0.1 * _norm(there) >= norm else max(shrink, 0.1)
                radius, damping = shrink * min(radius, 10 * length), damping / shrink
            elif damping == 0 or ratio >= 0.75:
                radius, damping = 2 * length, damping / 2
            if ratio >= _ACCEPTED:
                x, here, moved = x + step, there, True
            settled = abs(gain) <= tolerance and predicted <= tolerance and ratio <= 2
            if settled or radius <= _EXACT * scale * abs(x) or evaluations >= _EVALUATIONS:
                return x


def _damping(last: float, gradient: float, steepness: float, scale: float, radius: float) -> float:
    """Return the damping by which a step is as long as the radius, within a tenth; 0 where it is shorter by itself."""
    whole = scale * abs(gradient) / steepness**2
    if whole <= 1.1 * radius:
        return 0.0
    exact = (whole / radius - 1) * (steepness / scale) ** 2
    damping = min(max(last, exact), abs(gradient) / scale / radius)
    length = scale * abs(gradient) / (steepness**2 + damping * scale**2)
    return damping if abs(length - radius) <= 0.1 * radius else exact


def _norm(vector: NDArray[np.floating[Any]]) -> float:
    return float(np.linalg.norm(vector))
