"""Where depth jumps from one surface to another.

All this is in inverse depth, since there a plane is linear in the pixels, however slanted it is: a floor that runs to
the horizon does not jump. What a surface does not explain is compared with the inverse depth of the farther side, so
that it does not depend on units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

TEAR = 0.05
"""Two neighbours lie on different surfaces when one is farther by more than this share, beyond what slants explain."""
STEEPEST = 0.3
"""Nor is it one surface where one neighbour is farther by more than this, whatever the slant."""
_RAMP = 0.5  # a blurred edge rises at least half as fast as one that is blurred over the whole reach
_AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)


def inverse_of(distances: NDArray[Any]) -> Float32:
    """Return 1 / distances, float32 (H, W); NaN where there is no finite distance above 0."""
    z = np.asarray(distances, np.float32)
    seen = np.isfinite(z) & (z > np.finfo(np.float32).tiny)  # whose inverse would not be finite
    inverse = np.full(z.shape, np.nan, np.float32)
    np.divide(np.float32(1), z, out=inverse, where=seen)
    return inverse


def jumps(inverse: Float32, axis: int) -> Float32:
    """Return how far each step to the next pixel along an axis is beyond what a surface explains.

    It is a share of the farther side's distance: 0 on planes and at their creases, 1 where the distance doubles at
    once; NaN beside unknown pixels. The axis is one shorter than that of ``inverse``.

    Notes
    -----
    A surface explains every step between 0 and the steps before and after it.
    """
    ahead = np.moveaxis(inverse, axis, -1)
    step = np.diff(ahead, axis=-1)
    padded = np.pad(np.nan_to_num(step), ((0, 0), (1, 1)))
    farther = np.minimum(ahead[:, :-1], ahead[:, 1:])
    shares: Float32 = np.divide(_unexplained(step, padded[:, :-2], padded[:, 2:]), farther, dtype=np.float32)
    return np.moveaxis(shares, -1, axis)


def joined(inverse: Float32, axis: int) -> NDArray[np.bool_]:
    """Return which pixels are of one surface with the next along an axis; unknown ones are of none."""
    ahead = np.moveaxis(inverse, axis, -1)
    near, far = np.maximum(ahead[:, :-1], ahead[:, 1:]), np.minimum(ahead[:, :-1], ahead[:, 1:])
    together = (near <= (1 + STEEPEST) * far) & (np.moveaxis(jumps(inverse, axis), axis, -1) <= TEAR)
    return np.moveaxis(together, -1, axis)


def sharpened(inverse: Float32, reach: int) -> Float32:
    """Return inverse depth whose blurred edges are steps: each pixel of a ramp goes to the surface on its side.

    A network's map rises over several pixels from one surface to the next, where nothing is in truth. Edges that are
    steps already stay as they are, as do planes and creases.

    Parameters
    ----------
    inverse : array
        Inverse depth (H, W), NaN where unknown.
    reach : int
        Pixels over which edges are blurred, to either side.
    """
    for size in (reach, 1):  # where three surfaces meet, the first round leaves pixels in between
        middle: Float32 = (_windowed(inverse, size, np.minimum) + _windowed(inverse, size, np.maximum)) / 2
        ramps = _ramps(inverse, size) | _ramps(inverse.T, size).T
        ramps = _windowed(ramps, -(-size // 2), np.maximum)
        inverse = _filled(inverse, ramps, middle, 2 * size)
    return inverse


def _unexplained(step: Float32, before: Float32, after: Float32) -> Float32:
    lowest = np.minimum(np.minimum(before, after), 0)
    highest = np.maximum(np.maximum(before, after), 0)
    return np.maximum(np.maximum(step - highest, lowest - step), 0)


def _ramps(inverse: Float32, reach: int) -> NDArray[np.bool_]:
    """Return which pixels lie on a ramp along the last axis between two surfaces."""
    length = inverse.shape[-1]
    padded = np.pad(inverse, ((0, 0), (2 * reach, 2 * reach)), mode="edge")

    def at(offset: int) -> Float32:
        return padded[:, 2 * reach + offset : 2 * reach + offset + length]

    start, end = at(-reach), at(reach)
    before, after = 2 * (start - at(-2 * reach)), 2 * (at(2 * reach) - end)
    excess = _unexplained(end - start, before, after)
    back, forth = inverse - at(-1), at(1) - inverse
    steep = np.where(back * forth > 0, np.minimum(np.abs(back), np.abs(forth)), 0)
    steep = steep - np.maximum(np.abs(before), np.abs(after)) / (2 * reach)
    ramps: NDArray[np.bool_] = (excess > TEAR * np.minimum(start, end)) & (
        steep > _RAMP * excess / (2 * reach)
    )
    return ramps


def _windowed(values: NDArray[Any], reach: int, function: np.ufunc) -> NDArray[Any]:
    """Return the least or greatest of the square around each pixel; NaN where one of them is."""
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis)
        values = function.reduce(windows, axis=-1)
    return values


def _filled(values: Float32, holes: NDArray[np.bool_], middle: Float32, rounds: int) -> Float32:
    """Return the values with holes filled from around, each by what lies on its own side of ``middle``."""
    width = values.shape[1] + 2
    filled = np.pad(np.where(holes, np.float32(np.nan), values), 1, constant_values=np.nan).ravel()
    wanted = np.flatnonzero(np.pad(holes, 1))
    around = np.array([[row * width + column] for row, column in _AROUND])
    limit, near = middle[holes], values[holes] > middle[holes]
    for _ in range(rounds):
        others = filled[wanted + around]
        same = ((others > limit) == near) & ~np.isnan(others)
        count = same.sum(axis=0)
        known = count > 0
        filled[wanted[known]] = np.where(same, others, 0).sum(axis=0)[known] / count[known]
        wanted, limit, near = wanted[~known], limit[~known], near[~known]
    inner = filled.reshape(-1, width)[1:-1, 1:-1]
    return np.where(np.isnan(inner), values, inner)
