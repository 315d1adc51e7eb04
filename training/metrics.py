"""How a prediction of relative inverse depth is scored, and the two baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def aligned_errors(prediction: Float, reference: Float) -> Errors:
    """Score a map against a reference.

    Parameters
    ----------
    prediction, reference : array
        Inverse depth (H, W), of any scale and shift; 0 in the reference is invalid. The prediction is brought to
        the reference by least squares with a scale of 0 or above, and floored at the smallest valid reference.
    """
    valid = (reference > FAR * reference.max()) & np.isfinite(prediction)
    p, r = prediction[valid].astype(np.float64), reference[valid].astype(np.float64)
    centred = p - p.mean()
    variance = float(centred @ centred)
    scale = max(float(centred @ r) / variance, 0.0) if variance > 0 else 0.0
    aligned = np.maximum(scale * centred + r.mean(), r.min())
    ratio = np.maximum(aligned / r, r / aligned)
    return Errors(
        absrel=float(np.mean(np.abs(1 / aligned - 1 / r) * r)),
        d125=float(100 * np.mean(ratio > THRESHOLD)),
        rmse=float(np.sqrt(np.mean((aligned - r) ** 2)) / r.max()),
    )


def mean_errors(errors: list[Errors]) -> Errors:
    """Return the means of several maps' errors, each map counting the same."""
    absrel, d125, rmse = np.mean([(e.absrel, e.d125, e.rmse) for e in errors], axis=0)
    return Errors(float(absrel), float(d125), float(rmse))


def constant(height: int, width: int) -> Float:
    """Return the baseline that sees nothing; by a millionth it rises from left to right, as in the protocol.

    The alignment may make a ramp of it, which is one number more than a constant has.
    """
    return np.ones((height, width), np.float32) + np.linspace(0, 1e-6, width, dtype=np.float32)


def lower_is_nearer(height: int, width: int) -> Float:
    """Return the baseline that knows of gravity: a ground that comes nearer from top to bottom."""
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, 1)
