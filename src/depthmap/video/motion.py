"""How the camera moved between two frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grids import halved, middle, slopes

Float32 = NDArray[np.float32]

_SMALLEST = 9
"""Pixels of the shorter side that a picture is not made smaller than."""
_FINE = 2
"""The finest levels, at which turns and zooms are found."""
_LEAST = 4
"""Pixels of a side in which movement can be seen."""
_STEPS = 4
_DAMPING = 1e-4
_LEAST_NORMAL = 1e-3
"""What keeps the equations solvable where nothing has a slope; the sums of squared slopes are thousands."""
_SLOPE = 2.0
"""Grey levels a pixel that count as no slope."""
_ENOUGH = 2_600
"""Pixels that tell a motion as well as more; with these few NumPy's BLAS begins no threads (see `resizing`)."""
_SOME = 5
"""Of so many residuals one is enough for their median."""
_REACH = 0.1
"""Pixels by which a place may always be wrong."""
_DONE = 0.05
"""A step of less than this, in pixels, is the last: the next would be a small part of it."""
_NEAR = 0.25
"""A step of less than this, in its pixels, is left out on a coarse level: the finer ones see it better."""
_STILL = 0.1
"""Movement in pixels, at the corner that moves most, below which the camera is taken to stand: resampling blurs."""


class Motion(NamedTuple):
    """Where each place of the later frame was in the earlier: ``(x + a0 + a1 X + a2 Y, y + b0 + b1 X + b2 Y)``.

    X and Y run from -1 to 1 across the frame; all six are in pixels.
    """

    a: tuple[float, float, float] = (0.0, 0.0, 0.0)
    b: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def farthest(self) -> float:
        """Pixels by which a corner moves at most."""
        return max(
            abs(self.a[0]) + abs(self.a[1]) + abs(self.a[2]), abs(self.b[0]) + abs(self.b[1]) + abs(self.b[2])
        )

    @property
    def is_still(self) -> bool:
        """Whether the camera stood."""
        return self.farthest < _STILL

    def scaled(self, across: float, down: float) -> Motion:
        """Return the same for a frame that is so many times as wide and as high."""
        (a0, a1, a2), (b0, b1, b2) = self
        return Motion((a0 * across, a1 * across, a2 * across), (b0 * down, b1 * down, b2 * down))

    def plus(self, step: NDArray[Any]) -> Motion:
        """Return the motion with a shift, or with all six unknowns in the order of `_refined`, added."""
        shift_x, shift_y, a1, a2, b1, b2 = (*step.tolist(), 0.0, 0.0, 0.0, 0.0)[:6]
        a, b = self
        return Motion((a[0] + shift_x, a[1] + a1, a[2] + a2), (b[0] + shift_y, b[1] + b1, b[2] + b2))

    def bring(
        self, earlier: Float32, how: Image.Resampling = Image.Resampling.BICUBIC, every: int = 1
    ) -> Float32:
        """Return an earlier map (h, w) as the later frame sees it, or every so manieth of its rows.

        What is beyond its border is 0.
        """
        height, width = earlier.shape
        matrix = [
            value
            for x, y, start in self._rows(width, height)
            for value in (x, y * every, start + y * (1 - every) / 2)
        ]
        size = (width, math.ceil(height / every))
        return np.asarray(Image.fromarray(earlier).transform(size, Image.Transform.AFFINE, matrix, how))

    def seen(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return which places (h, w) of the later frame the earlier saw."""
        across, down = self._rows(width, height)
        x = np.arange(width, dtype=np.float32) + np.float32(0.5)
        y = (np.arange(height, dtype=np.float32) + np.float32(0.5))[:, None]
        column, row = (np.float32(a) * x + np.float32(b) * y + np.float32(c) for a, b, c in (across, down))
        seen: NDArray[np.bool_] = (column >= 0) & (column <= width) & (row >= 0) & (row <= height)
        return seen

    def _matrix(self, width: int, height: int) -> NDArray[np.float64]:
        return np.array([*self._rows(width, height), (0.0, 0.0, 1.0)])

    def _rows(self, width: int, height: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Return column and row in the earlier frame, by those in the later, where pixels are at 0.5, 1.5, ..."""
        (a0, a1, a2), (b0, b1, b2) = self.a, self.b
        return (
            (1 + 2 * a1 / width, 2 * a2 / height, a0 - a1 - a2),
            (2 * b1 / width, 1 + 2 * b2 / height, b0 - b1 - b2),
        )


def back(motions: Sequence[Motion], width: int, height: int) -> Motion:
    """Return the way back over motions, first to last: where each place of the first frame is in the last."""
    whole = np.eye(3)
    for motion in motions:
        whole = whole @ motion._matrix(width, height)
    (xx, xy, x), (yx, yy, y), _ = np.linalg.inv(whole).tolist()
    a1, a2, b1, b2 = (xx - 1) * width / 2, xy * height / 2, yx * width / 2, (yy - 1) * height / 2
    return Motion((x + a1 + a2, a1, a2), (y + b1 + b2, b1, b2))


def find(earlier: Float32, later: Float32, near: Motion = Motion()) -> Motion:  # noqa: B008  # it cannot be changed
    """Return the motion that explains most of what changed between two pictures (h, w).

    It is looked for from ``near`` on: the motion before it, mostly.

    Notes
    -----
    An affine motion of the whole picture, by Gauss-Newton steps from coarse to fine: Lucas and Kanade 1981, Bergen et
    al. 1992, "Hierarchical model-based motion estimation". What moves by itself is kept out by Tukey's biweight, as
    in Odobez and Bouthemy 1995. Exposure has to be compensated before.
    """
    if min(earlier.shape) < 2 * _LEAST:
        return Motion()
    levels = [(earlier, later)]
    while min(levels[-1][0].shape) >= 2 * _SMALLEST:
        levels.append((halved(levels[-1][0]), halved(levels[-1][1])))
    part = 0.5 ** len(levels)
    motion = _better(near.scaled(part, part), *levels[-1])
    for number in reversed(range(len(levels))):
        # Coarse pictures tell where the camera went; how it turned and zoomed, only finer ones do.
        unknowns, least = 6 if number < _FINE else 2, _NEAR if number else 0.0
        motion = _refined(motion.scaled(2.0, 2.0), *levels[number], unknowns, least)
    return motion


def _better(near: Motion, earlier: Float32, later: Float32) -> Motion:
    """Return a motion in halves of pixels, or none if that explains more: one that was wrong must not stay."""
    if near == Motion():
        return near
    residuals = np.abs(later - near.scaled(2.0, 2.0).bring(earlier)).mean()
    return near if residuals < np.abs(later - earlier).mean() else Motion()


def _refined(motion: Motion, earlier: Float32, later: Float32, unknowns: int, least: float) -> Motion:
    """Return a better motion; of 2 unknowns it is a shift, of 6 affine. Steps below the ``least`` are left out."""
    height, width = later.shape
    step = math.ceil(later.size / _ENOUGH)
    x, y = _places(width), _places(height)[::step, None]
    across, down = (slope[::step] for slope in slopes(later))
    # Residuals as pixels of movement, where there is enough of a slope: at edges they are large, but no outliers.
    flatness = 1 / (np.sqrt(across * across + down * down) + np.float32(_SLOPE))
    seen = later[::step]
    rows = np.empty((unknowns + 1, *seen.shape), np.float32)
    rows[0], rows[1] = across, down
    if unknowns > 2:
        for row, slope, place in ((2, across, x), (3, across, y), (4, down, x), (5, down, y)):
            np.multiply(slope, place, out=rows[row])
    flat = rows.reshape(unknowns + 1, -1)
    for _ in range(_STEPS):
        residuals = np.subtract(seen, motion.bring(earlier, every=step), out=rows[-1])
        # The last column of this product is the right side of the equations.
        normal = (flat[:-1] * _biweight((residuals * flatness).ravel())) @ flat.T
        change = _solved(normal[:, :-1], normal[:, -1])
        size = np.abs(change).max()
        if size < least:
            break
        motion = motion.plus(change)
        if motion.farthest > max(width, height):
            return Motion()  # it found nothing
        if size < _DONE:
            break
    return motion


@lru_cache(maxsize=32)
def _places(length: int) -> Float32:
    """Return where the pixels of a side lie, from -1 to 1."""
    return np.linspace(-1 + 1 / length, 1 - 1 / length, length, dtype=np.float32)


def _solved(normal: Float32, right: Float32) -> NDArray[Any]:
    damped = normal.astype(np.float64)
    damped.flat[:: len(right) + 1] *= 1 + _DAMPING
    damped.flat[:: len(right) + 1] += _LEAST_NORMAL
    return np.linalg.solve(damped, right.astype(np.float64))


def _biweight(residuals: Float32) -> Float32:
    """Return the weight of each residual; those beyond the border are large, and have none."""
    reach = np.float32(4.685 * 1.4826 * middle(np.abs(residuals[::_SOME])) + _REACH)
    inside: Float32 = np.maximum(1 - (residuals / reach) ** 2, 0) ** 2
    return inside
