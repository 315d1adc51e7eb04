"""How well contours lie where they should: the depth boundary errors of iBims-1.

Koch et al., "Evaluation of CNN-based Single-Image Depth Estimation Methods", ECCV Workshops 2018. Edges of the map are
found by Canny's detector, and compared with the true ones by truncated distances in pixels. iBims-1 has true edges
drawn by hand; here the same detector finds them in the reference, which is exact in rendered scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
Mask = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

SIGMA = 2**0.5
LOW, HIGH = 0.15, 0.3
"""The detector's thresholds, as in the code of iBims-1: of Sobel's sums, for maps from 0 to 1."""
REACH = 10
"""Distances are truncated here, in pixels."""
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Steps (down, right) along the gradient, for angles of 0, 45, 90 and 135 degrees."""


@dataclass(frozen=True)
class BoundaryErrors:
    """How far, in pixels, contours lie from where they should; at most 10."""

    accuracy: float
    """Mean distance from the map's edges, of those within reach of a true one, to the next true edge."""
    completeness: float
    """Mean distance from the true edges to the next edge of the map."""


def boundary_errors(aligned: Float, reference: Float, valid: Mask) -> BoundaryErrors | None:
    """Compare the edges of an aligned map with the reference's, both in [0, 1]; None when the reference has none.

    Edges next to pixels that are not valid do not count.
    """
    inside = ~near(~valid, 3)
    true, found = edges(reference) & inside, edges(aligned) & inside
    if not true.any():
        return None
    to_true, to_found = distances(true), distances(found)
    within = found & (to_true < REACH)
    if not within.any():
        return BoundaryErrors(float(REACH), float(REACH))
    return BoundaryErrors(float(to_true[within].mean()), float(to_found[true].mean()))


def edges(values: Float) -> Mask:
    """Return Canny's edges of a map (H, W) in [0, 1]: thinned, and kept where they hang together with a strong one."""
    smooth = _blurred(values.astype(np.float32))
    down, right = _sobel(smooth, 0), _sobel(smooth, 1)
    size = np.hypot(down, right)
    thin = _ridges(size, down, right) & (size > LOW)
    return _connected(thin, thin & (size > HIGH))


def distances(mask: Mask) -> Float:
    """Return each pixel's Euclidean distance to the next one in ``mask``, at most ``REACH``."""
    height = len(mask)
    across = np.where(mask, 0.0, REACH)
    for step in range(1, REACH):
        for side in (slice(step, None), slice(None, -step)), (slice(None, -step), slice(step, None)):
            target, origin = across[:, side[0]], mask[:, side[1]]
            np.minimum(target, np.where(origin, step, REACH), out=target)
    padded = np.pad(across, ((REACH, REACH), (0, 0)), constant_values=REACH)
    rows = [np.hypot(padded[REACH + d : REACH + d + height], d) for d in range(-REACH, REACH + 1)]
    nearest: Float = np.minimum(np.min(rows, 0), REACH)
    return nearest


def near(mask: Mask, reach: int) -> Mask:
    """Return the pixels at most ``reach`` away, in both axes, from one in ``mask``."""
    for axis in (0, 1):
        mask = np.any([_shifted(mask, d, axis) for d in range(-reach, reach + 1)], 0)
    return mask


def _shifted(values: NDArray[Number], by: int, axis: int) -> NDArray[Number]:
    """Move values along an axis; what comes in is the border's value."""
    places = np.clip(np.arange(values.shape[axis]) - by, 0, values.shape[axis] - 1)
    return values.take(places, axis)


def _blurred(values: Float) -> Float:
    offsets = range(-6, 7)
    kernel = np.exp([-0.5 * (d / SIGMA) ** 2 for d in offsets])
    for axis in (0, 1):
        values = sum(
            (w * _shifted(values, d, axis) for d, w in zip(offsets, kernel / kernel.sum(), strict=True)),
            np.zeros_like(values),
        )
    return values


def _sobel(values: Float, axis: int) -> Float:
    """Return Sobel's sum along ``axis``: eight times the slope."""
    slope: Float = _shifted(values, -1, axis) - _shifted(values, 1, axis)
    return _shifted(slope, 1, 1 - axis) + 2 * slope + _shifted(slope, -1, 1 - axis)


def _ridges(size: Float, down: Float, right: Float) -> Mask:
    """Tell where the gradient is no smaller than at both neighbours along it, and larger than at one."""
    angle = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    found = np.zeros(size.shape, bool)
    for turn, (y, x) in enumerate(DIRECTIONS):
        before, after = (_shifted(_shifted(size, s * y, 0), s * x, 1) for s in (1, -1))
        found |= (angle == turn) & (size >= before) & (size > after)
    return found


def _connected(weak: Mask, known: Mask) -> Mask:
    """Return the pixels of ``weak`` that can be reached from ``known``, its part, step by step."""
    while True:
        grown = weak & near(known, 1)
        if np.array_equal(grown, known):
            return known
        known = grown
