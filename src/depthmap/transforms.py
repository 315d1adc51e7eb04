"""What happens to a picture before the network, and to the map after it: pure functions on arrays.

Both directions use one cubic resize: Keys' kernel with a = -0.75, half-pixel centres, replicated borders, no
anti-aliasing. That is OpenCV's ``INTER_CUBIC``, with which the official code makes the input, and torch's
``bicubic`` with ``align_corners=False``, with which it brings the map to the size of the picture. It is done
here in NumPy, so that engines without torch share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .catalog import SIZES, ModelSpec
from .errors import UsageError

Float32 = NDArray[np.float32]

MULTIPLE = 32
"""Sides of a network's input are multiples of this: its coarsest features are at 1/32."""
KERNEL = -0.75
"""Slope of the cubic kernel at distance 1, ``a`` in the literature."""
BLOCK = 32
"""Output rows that one matrix product makes: large enough for BLAS, small enough for the processor's cache."""

# What both sides of a picture (width, height) are multiplied by for a network's input size.
_SCALE: dict[str, Callable[[int, int, int], float]] = {
    # the scale of the height or of the width, whichever is nearer to 1; the first where they tie
    "minimal": lambda size, w, h: min((size / h, size / w), key=lambda scale: abs(1 - scale)),
    "upper_bound": lambda size, w, h: min(size / h, size / w),
    "area": lambda size, w, h: math.sqrt(_area(size) / (w * h)),
}


def rounded_size(size: int) -> int:
    """Return the longer side of a network's input that is nearest to ``size`` pixels.

    Raises
    ------
    UsageError
        When it is no whole number within `catalog.SIZES`.
    """
    least, most = SIZES
    if not isinstance(size, Integral) or isinstance(size, bool) or not least <= size <= most:
        raise UsageError(
            f"A network cannot be made to see pictures at this size, in pixels: {size!r}",
            "size",
            f"Give a whole number from {least} to {most}, or none: then each network has the size it was trained at.",
        )
    return _multiple(float(size), None)


def at_size(spec: ModelSpec, size: int | None) -> ModelSpec:
    """Return what `prepare` needs to bring the longer side of pictures to ``size``, rounded to a multiple of 32.

    None leaves the size to the spec. Raises as `rounded_size` does.
    """
    return spec if size is None else replace(spec, input_size=rounded_size(size), resize="upper_bound")


def network_size(width: int, height: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the size at which a network sees a picture.

    The aspect is kept but for the rounding of each side to a multiple of 32, half to even; not by the rule "square".

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels, 1 or more.
    spec : ModelSpec
        Gives the input size and the resize rule.

    Returns
    -------
    tuple of int
        Width and height, multiples of 32 and never less.

    Raises
    ------
    UsageError
        When the picture is empty.

    Notes
    -----
    Follows ``midas/transforms.py`` of the official code, which gives 0 for very thin pictures; here that is 32.
    """
    if width < 1 or height < 1:
        raise UsageError(f"A picture of {width} × {height} pixels is empty")
    if spec.resize == "square":  # the only rule by which the sides are not scaled alike
        return (_multiple(spec.input_size, None),) * 2
    scale = _SCALE[spec.resize](spec.input_size, width, height)
    # area: a picture so thin that one side is rounded up to 32 shall not have more pixels for it
    bounds = {"upper_bound": spec.input_size, "area": _area(spec.input_size) // MULTIPLE}
    bound = bounds.get(spec.resize)
    return _multiple(scale * width, bound), _multiple(scale * height, bound)


def _area(size: int) -> int:
    """Return the pixels of a picture of 4:3 whose longer side is ``size``."""
    return size * size * 3 // 4


def _multiple(side: float, bound: int | None) -> int:
    """Round to a multiple of 32, down where the nearest exceeds ``bound``; never to less than 32."""
    rounded = round(side / MULTIPLE) * MULTIPLE
    if bound is not None and rounded > bound:
        rounded = int(min(side, bound) // MULTIPLE) * MULTIPLE
    return max(rounded, MULTIPLE)


def prepare(picture: NDArray[Any], spec: ModelSpec) -> Float32:
    """Make the input of a network from a picture.

    Parameters
    ----------
    picture : array
        RGB (H, W, 3); uint8 in [0, 255], or floating point in [0, 1].
    spec : ModelSpec
        Gives the size, the resize rule, the mean and the standard deviation.

    Returns
    -------
    array
        Normalised RGB (3, h, w), float32, contiguous; h and w are multiples of 32.

    Raises
    ------
    UsageError
        When the array has another shape or type.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise UsageError(f"A picture must be an array (H, W, 3), not {picture.shape}")
    if picture.dtype != np.uint8 and picture.dtype.kind != "f":
        raise UsageError(f"A picture must be uint8 in [0, 255] or float in [0, 1], not {picture.dtype}")
    width, height = network_size(picture.shape[1], picture.shape[0], spec)
    # Resizing is linear, so the division by 255 may come after it, where there are fewer pixels.
    white = 255.0 if picture.dtype == np.uint8 else 1.0
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    resized = resize_cubic(picture, height, width)
    resized -= mean * np.float32(white)
    resized /= std * np.float32(white)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


def restore(inverse_depth: NDArray[Any], height: int, width: int) -> Float32:
    """Bring a network's output to the size of the picture.

    Parameters
    ----------
    inverse_depth : array
        Relative inverse depth (h, w).
    height, width : int
        Size of the picture in pixels.

    Returns
    -------
    array
        Relative inverse depth (H, W), float32, contiguous. As in the official code, cubic interpolation may
        overshoot: next to edges values can lie a little outside the range of the input, and below 0.

    Raises
    ------
    UsageError
        When the map is not (h, w), or a size is not positive.
    """
    if inverse_depth.ndim != 2:
        raise UsageError(f"A depth map must be an array (H, W), not {inverse_depth.shape}")
    return resize_cubic(inverse_depth, height, width)


def resize_cubic(array: NDArray[Any], height: int, width: int) -> Float32:
    """Resize an array by cubic interpolation, without anti-aliasing.

    Parameters
    ----------
    array : array
        (H, W) or (H, W, C), of any real type.
    height, width : int
        The new size, 1 or more.

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
    # The axis that leaves less to do for the other goes first.
    if height * columns <= rows * width:
        resized = _resize_columns(_resize_rows(array, height), width)
    else:
        resized = _resize_rows(_resize_columns(array, width), height)
    contiguous: Float32 = resized.astype(np.float32, order="C", copy=resized is array)
    return contiguous


def _resize_columns(array: NDArray[Any], length: int) -> NDArray[Any]:
    """Resize axis 1."""
    if array.shape[1] == length:
        return array
    turned: NDArray[Any] = _resize_rows(array.swapaxes(0, 1), length).swapaxes(0, 1)
    return turned


def _resize_rows(array: NDArray[Any], length: int) -> NDArray[Any]:
    """Resize axis 0.

    Each block of output rows is one product of a small dense matrix and the few input rows that it needs, which
    only then become float32. Enlarging so is several times as quick as adding four gathered arrays.
    """
    if array.shape[0] == length:
        return array
    taps, weights = _cubic(array.shape[0], length)
    resized = np.empty((length, *array.shape[1:]), np.float32)
    for start in range(0, length, BLOCK):
        block = slice(start, start + BLOCK)
        needed, place = np.unique(taps[block], return_inverse=True)
        matrix = np.zeros((len(taps[block]), len(needed)), np.float32)
        rows = np.arange(len(matrix))[:, None]
        np.add.at(matrix, (rows, place.reshape(-1, 4)), weights[block])
        source = array[needed].astype(np.float32, copy=False).reshape(len(needed), -1)
        np.matmul(matrix, source, out=resized[block].reshape(len(matrix), -1))
    return resized


def _cubic(length: int, new_length: int) -> tuple[NDArray[np.intp], Float32]:
    """Return, for each output position, the four input positions and their weights: both (new_length, 4)."""
    position = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    nearest = np.floor(position)
    t = position - nearest
    a = KERNEL
    before = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    left = ((a + 2) * t - (a + 3)) * t * t + 1
    right = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1
    weights = np.stack([before, left, right, 1 - before - left - right], axis=1)
    taps = nearest[:, None].astype(np.intp) + np.arange(-1, 3)
    return taps.clip(0, length - 1), weights.astype(np.float32)
