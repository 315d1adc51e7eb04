"""Arrays brought to another size, in NumPy: cubic and linear interpolation as products of small matrices.

Cubic is Keys' kernel with a = -0.75, half-pixel centres, replicated borders, no anti-aliasing. That is OpenCV's
``INTER_CUBIC``, and torch's ``bicubic`` with ``align_corners=False``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError

Float32 = NDArray[np.float32]
Taps = tuple[NDArray[np.intp], Float32]
"""For each output position the input positions that it is made of, and their weights: both (positions, taps)."""
Kernel = Callable[[int, int], Taps]
"""Old and new length of an axis → taps."""

KERNEL = -0.75
"""Slope of the cubic kernel at distance 1, ``a`` in the literature."""
BLOCK = 16
"""Output rows that one matrix product makes: large enough for BLAS, small enough for the processor's cache."""
_SMALL = 1 << 18
"""Multiplications up to which OpenBLAS makes a product in the thread that asks (``interface/gemm.c``)."""


def resize(array: NDArray[Any], height: int, width: int, how: str = "cubic") -> Float32:
    """Resize the first two axes of an array.

    Parameters
    ----------
    array : array
        (H, W) or (H, W, C), of any real type.
    height, width : int
        The new size, 1 or more.
    how : str
        One of `KERNELS`.

    Returns
    -------
    array
        (height, width) or (height, width, C), float32, contiguous, in the units of the input; never a view of it.

    Raises
    ------
    UsageError
        When the array has other dimensions, or it or the new size is empty.
    """
    if array.ndim not in (2, 3) or 0 in array.shape or height < 1 or width < 1:
        raise UsageError(f"An array {array.shape} cannot be resized to {height} × {width}")
    rows, columns = array.shape[:2]
    taps = KERNELS[how]
    # The axis that leaves less to do for the other goes first.
    if height * columns <= rows * width:
        resized = _resize_columns(_resize_rows(array, height, taps), width, taps)
    else:
        resized = _resize_rows(_resize_columns(array, width, taps), height, taps)
    contiguous: Float32 = resized.astype(np.float32, order="C", copy=resized is array)
    return contiguous


def _resize_rows(array: NDArray[Any], length: int, taps: Kernel) -> NDArray[Any]:
    """Resize axis 0."""
    if array.shape[0] == length:
        return array
    flat = array.reshape(array.shape[0], -1)
    resized = np.empty((length, flat.shape[1]), np.float32)
    for rows, needed, matrix in _blocks(array.shape[0], length, 1, taps):
        source = flat[needed].astype(np.float32, copy=False)
        for columns in _alone(matrix, flat.shape[1]):
            np.matmul(matrix, source[:, columns], out=resized[rows, columns])
    return resized.reshape(length, *array.shape[1:])


def _resize_columns(array: NDArray[Any], length: int, taps: Kernel) -> NDArray[Any]:
    """Resize axis 1."""
    if array.shape[1] == length:
        return array
    channels = math.prod(array.shape[2:])
    flat = array.reshape(array.shape[0], -1)
    resized = np.empty((len(flat), length * channels), np.float32)
    for columns, needed, matrix in _blocks(array.shape[1], length, channels, taps):
        for rows in _alone(matrix, len(flat)):
            np.matmul(flat[rows, needed].astype(np.float32, copy=False), matrix.T, out=resized[rows, columns])
    return resized.reshape(len(flat), length, *array.shape[2:])


def _alone(matrix: Float32, length: int) -> Iterator[slice]:
    """Yield the other side of products with a matrix in parts that the calling thread makes alone.

    OpenBLAS gives larger ones to threads of its own. Those then wait for more at the processor's full speed, and the
    inference that follows took one and a half times as long.
    """
    step = max(1, _SMALL // matrix.size)
    for start in range(0, length, step):
        yield slice(start, start + step)


_Block = tuple[slice, slice | NDArray[np.intp], Float32]
"""Output positions, the input positions that they are made of, and the matrix that makes them."""


@lru_cache(maxsize=16)
def _blocks(length: int, new_length: int, channels: int, taps: Kernel) -> list[_Block]:
    """Return how an axis is resized, a few output positions at a time; each position has so many channels.

    Each block is one product of a small dense matrix and the few inputs that it needs, which only then become float32.
    Enlarging so is several times as quick as adding four gathered arrays.
    """
    places, weights = taps(length, new_length)
    blocks: list[_Block] = []
    step = max(1, BLOCK // channels)
    for start in range(0, new_length, step):
        stop = min(start + step, new_length)
        needed, place = np.unique(places[start:stop], return_inverse=True)
        matrix = np.zeros((stop - start, len(needed)), np.float32)
        np.add.at(
            matrix, (np.arange(len(matrix))[:, None], place.reshape(len(matrix), -1)), weights[start:stop]
        )
        each = (needed[:, None] * channels + np.arange(channels)).ravel()
        together = each[-1] - each[0] + 1 == len(each)
        blocks.append(
            (
                slice(start * channels, stop * channels),
                slice(int(each[0]), int(each[-1]) + 1) if together else each,
                np.kron(matrix, np.eye(channels, dtype=np.float32)),
            )
        )
    return blocks


def _cubic(length: int, new_length: int) -> Taps:
    """Return four taps: Keys' kernel at half-pixel centres."""
    position = _centres(length, new_length)
    nearest = np.floor(position)
    t = position - nearest
    a = KERNEL
    before = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    left = ((a + 2) * t - (a + 3)) * t * t + 1
    right = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1
    weights = np.stack([before, left, right, 1 - before - left - right], axis=1)
    return _clipped(nearest[:, None] + np.arange(-1, 3), length), weights.astype(np.float32)


def _linear(position: NDArray[np.floating[Any]], length: int) -> Taps:
    """Return two taps for each position."""
    nearest = np.floor(position)
    t = position - nearest
    return _clipped(nearest[:, None] + np.arange(2), length), np.stack([1 - t, t], axis=1).astype(np.float32)


def _linear_antialiased(length: int, new_length: int) -> Taps:
    """Return as many taps as an output position covers, and never less than two: a triangle that grows with it.

    Positions are rounded as torch rounds them; else inputs would differ by 5e-5 where pixels differ much.
    """
    scale = np.float32(length / new_length)
    reach = max(scale, np.float32(1))
    position = (np.arange(new_length, dtype=np.float32) + np.float32(0.5)) * scale
    places = np.floor(position - reach)[:, None] + np.arange(math.ceil(2 * reach) + 1, dtype=np.float32)
    weights = np.maximum(1 - np.abs(places - position[:, None] + np.float32(0.5)) / reach, 0)
    weights[(places < 0) | (places >= length)] = 0  # what is beyond the border has no part
    weights /= weights.sum(axis=1, keepdims=True)
    return _clipped(places, length), weights


def _centres(length: int, new_length: int) -> NDArray[np.floating[Any]]:
    """Return where output positions lie in the input when the borders of both coincide."""
    return (np.arange(new_length) + 0.5) * (length / new_length) - 0.5


def _centres_of_torch(length: int, new_length: int) -> NDArray[np.floating[Any]]:
    """Return the same as torch rounds it, which shows where a map has steps: 1e-4 of them."""
    step = float(np.float32(length / new_length))
    return ((np.arange(new_length) + 0.5) * step - 0.5).astype(np.float32)


def _corners(length: int, new_length: int) -> NDArray[np.floating[Any]]:
    """Return where they lie when the centres of the outermost pixels coincide."""
    return np.linspace(0, length - 1, new_length)


def _clipped(places: NDArray[np.floating[Any]], length: int) -> NDArray[np.intp]:
    return places.astype(np.intp).clip(0, length - 1)


KERNELS: dict[str, Kernel] = {
    "cubic": _cubic,
    "linear": lambda length, new: _linear(_centres_of_torch(length, new), length),
    "linear_corners": lambda length, new: _linear(_corners(length, new), length),
    "linear_antialiased": _linear_antialiased,
}
"""Ways to resize by name."""
