"""How a prediction of relative inverse depth is scored, and the two baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from .edges import boundary_errors

Float = NDArray[np.floating]
FAR = 0.01
"""Pixels below this share of the nearest pixel's inverse depth are not scored: further than 100 times as far."""
THRESHOLD = 1.25


@dataclass(frozen=True)
class Errors:
    """The errors of one map, or their means."""

    absrel: float
    """Mean of |d - d*| / d*, of depth."""
    d125: float
    """Share of the pixels, in %, whose depth is wrong by a factor beyond 1.25."""
    rmse: float
    """Root of the mean squared error of inverse depth, in units of the nearest pixel's."""
    edge_accuracy: float = math.nan
    """Mean distance of the map's contours to true ones, in pixels; see ``edges.py``."""
    edge_completeness: float = math.nan
    """Mean distance of true contours to the map's."""


def aligned_errors(prediction: Float, reference: Float, exact: bool = False) -> Errors:
    """Score a map against a reference.

    Parameters
    ----------
    prediction, reference : array
        Inverse depth (H, W), of any scale and shift; 0 in the reference is invalid. The prediction is brought to
        the reference by least squares with a scale of 0 or above, and floored at the smallest valid reference.
    exact : bool
        The reference's contours are exact, as rendered ones are: score the map's too.
    """
    valid = (reference > FAR * reference.max()) & np.isfinite(prediction)
    whole = aligned(prediction, reference, valid)
    a, r = whole[valid], reference[valid].astype(np.float64)
    ratio = np.maximum(a / r, r / a)
    edges = None
    if exact:
        edges = boundary_errors((whole / r.max()).clip(0, 1), reference / r.max(), reference > 0)
    return Errors(
        absrel=float(np.mean(np.abs(1 / a - 1 / r) * r)),
        d125=float(100 * np.mean(ratio > THRESHOLD)),
        rmse=float(np.sqrt(np.mean((a - r) ** 2)) / r.max()),
        edge_accuracy=edges.accuracy if edges else math.nan,
        edge_completeness=edges.completeness if edges else math.nan,
    )


def aligned(prediction: Float, reference: Float, valid: NDArray[np.bool_]) -> Float:
    """Bring a whole map to the reference by least squares over the valid pixels, and floor it."""
    p, r = prediction[valid].astype(np.float64), reference[valid].astype(np.float64)
    centred = p - p.mean()
    variance = float(centred @ centred)
    scale = max(float(centred @ r) / variance, 0.0) if variance > 0 else 0.0
    result: Float = np.maximum(scale * (prediction.astype(np.float64) - p.mean()) + r.mean(), r.min())
    return result


def mean_errors(errors: Sequence[Errors]) -> Errors:
    """Return the means of several maps' errors, each map counting the same; what is not known is passed over."""
    columns = zip(*(astuple(e) for e in errors), strict=True)
    known = [[v for v in column if not math.isnan(v)] for column in columns]
    return Errors(*(sum(values) / len(values) if values else math.nan for values in known))


def constant(height: int, width: int) -> Float:
    """Return the baseline that sees nothing; by a millionth it rises from left to right, as in the protocol.

    The alignment may make a ramp of it, which is one number more than a constant has.
    """
    return np.ones((height, width), np.float32) + np.linspace(0, 1e-6, width, dtype=np.float32)


def lower_is_nearer(height: int, width: int) -> Float:
    """Return the baseline that knows of gravity: a ground that comes nearer from top to bottom."""
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, 1)
