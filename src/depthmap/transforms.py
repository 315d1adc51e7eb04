"""What happens to a picture before the network, and to the map after it: pure functions on arrays.

The input of most networks is made by one cubic resize: Keys' kernel with a = -0.75, half-pixel centres, replicated
borders, no anti-aliasing. That is OpenCV's ``INTER_CUBIC``, with which the official code makes it, and torch's
``bicubic`` with ``align_corners=False``, with which MiDaS brings the map to the size of the picture. Other networks
see pictures resized otherwise (`PREPARED`), or bring maps back by linear interpolation (`families.RESTORES`). It is
done here in NumPy, so that engines without torch share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .areas import shrink
from .catalog import SIZES, ModelSpec
from .errors import UsageError

Float32 = NDArray[np.float32]

KERNEL = -0.75
"""Slope of the cubic kernel at distance 1, ``a`` in the literature."""
THIN = 4
"""How many times the shorter side the longer may be where the shorter is given: road scenes have 3.3 to 1."""
BLOCK = 16
"""Output rows that one matrix product makes: large enough for BLAS, small enough for the processor's cache."""
_SMALL = 1 << 18
"""Multiplications up to which OpenBLAS makes a product in the thread that asks (``interface/gemm.c``)."""


class _Fit(NamedTuple):
    """How a picture is brought to a network's size, before its sides are rounded."""

    scale: float
    """What both sides are multiplied by."""
    least: float = 0
    """A side that would be rounded to less than this is rounded up."""
    most: float = math.inf
    """A side that would be rounded to more than this is rounded down."""


def _minimal(size: int, w: int, h: int, multiple: int) -> _Fit:
    # the scale of the height or of the width, whichever is nearer to 1; the first where they tie
    return _Fit(min((size / h, size / w), key=lambda scale: abs(1 - scale)))


def _upper_bound(size: int, w: int, h: int, multiple: int) -> _Fit:
    return _Fit(min(size / h, size / w), most=size)


def _lower_bound(size: int, w: int, h: int, multiple: int) -> _Fit:
    scale, most = max(size / h, size / w), THIN * size
    if scale * max(w, h) > most:  # a thin picture, which would become huge
        return _Fit(most / max(w, h), most=most)
    return _Fit(scale, least=size, most=most)


def _area(size: int, w: int, h: int, multiple: int) -> _Fit:
    area = size * size * 3 // 4
    # a picture so thin that one side is rounded up to a multiple shall not have more pixels for it
    return _Fit(math.sqrt(area / (w * h)), most=area // multiple)


def _square(size: int, w: int, h: int, multiple: int) -> _Fit:
    return _Fit(max(size / h, size / w), most=size)


_RULES: dict[str, Callable[[int, int, int, int], _Fit]] = {
    "minimal": _minimal,
    "upper_bound": _upper_bound,
    "lower_bound": _lower_bound,
    "area": _area,
    "square": _square,
}


def rounded_size(size: int, multiple: int = 1) -> int:
    """Return the longer side of a network's input that is nearest to ``size`` pixels: a multiple of ``multiple``.

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
    return _rounded(float(size), _Fit(1, most=most), multiple)


def at_size(spec: ModelSpec, size: int | None) -> ModelSpec:
    """Return what `prepare` needs to bring the longer side of pictures to ``size``, rounded to the network's multiple.

    None leaves the size to the spec.

    Raises
    ------
    UsageError
        As `rounded_size` does, and when the network takes another size only.
    """
    fixed = spec.family.fixed
    if size is None or size == fixed:
        return spec
    if fixed:
        raise UsageError(
            f"{spec.name} sees every picture as a square of {fixed} pixels, and cannot at {size}",
            "size",
            f"Leave out the size, or give {fixed}; or use a model whose size can be chosen.",
        )
    return replace(spec, input_size=rounded_size(size, spec.family.multiple), resize="upper_bound")


def network_size(width: int, height: int, spec: ModelSpec) -> tuple[int, int]:
    """Return the size at which a network sees a picture.

    The aspect is kept but for the rounding of each side to a multiple of ``spec.family.multiple``, half to even; by
    the rule ``"square"`` it is not.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels, 1 or more.
    spec : ModelSpec
        Gives the input size and the resize rule.

    Returns
    -------
    tuple of int
        Width and height, multiples of ``spec.family.multiple`` and never less.

    Raises
    ------
    UsageError
        When the picture is empty.

    Notes
    -----
    Follows ``midas/transforms.py`` of the official code, which gives 0 for very thin pictures; here that is one
    multiple. By the rule ``"lower_bound"`` the official code makes a thin picture as long as its aspect asks for;
    here the longer side ends at four times the input size, and the shorter gives way.
    """
    if width < 1 or height < 1:
        raise UsageError(f"A picture of {width} × {height} pixels is empty")
    multiple = spec.family.multiple
    fit = _RULES[spec.resize](spec.input_size, width, height, multiple)
    rounded = _ROUNDED.get(spec.family.prepared, _rounded)
    return rounded(fit.scale * width, fit, multiple), rounded(fit.scale * height, fit, multiple)


def _rounded(side: float, fit: _Fit, multiple: int) -> int:
    """Round to a multiple, to the other side where the nearest is out of bounds; never to less than one."""
    rounded = round(side / multiple) * multiple
    if rounded > fit.most:
        rounded = int(min(side, fit.most) // multiple) * multiple
    elif rounded < fit.least:
        rounded = math.ceil(side / multiple) * multiple
    return max(rounded, multiple)


def _rounded_twice(side: float, fit: _Fit, multiple: int) -> int:
    """Round to whole pixels, then to the nearest multiple, the larger where two are as near; never to less than one."""
    return max((_whole(side) + multiple // 2) // multiple * multiple, multiple)


def _whole(side: float) -> int:
    return max(round(side), 1)


_ROUNDED: dict[str, Callable[[float, _Fit, int], int]] = {"bytes": _rounded_twice}
"""How the sides of its input are rounded for a network that has a way of its own, by `families.Family.prepared`."""


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
        Normalised RGB (3, h, w), float32, contiguous; h and w are multiples of ``spec.family.multiple``.

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
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (spec.mean, spec.std))
    resized = PREPARED[spec.family.prepared](picture, height, width, spec)
    planes = np.ascontiguousarray(resized.transpose(2, 0, 1))
    planes -= mean * np.float32(white)
    planes /= std * np.float32(white)
    return planes


def _resize_bytes(picture: NDArray[Any], height: int, width: int, spec: ModelSpec) -> Float32:
    """Resize as Depth Anything 3 does: to bytes, first to whole pixels, then to the network's multiples.

    Each time it takes the mean of areas where the picture shrinks, and cubic interpolation where a side grows. A
    picture that is no bytes is made bytes first: the network knows no others.
    """
    white = 1 if picture.dtype == np.uint8 else 255
    pixels = picture if white == 1 else _bytes(picture * np.float32(white))
    rows, columns = pixels.shape[:2]
    scale = _RULES[spec.resize](spec.input_size, columns, rows, spec.family.multiple).scale
    pixels = _step(pixels, _whole(scale * rows), _whole(scale * columns))
    resized: Float32 = _step(pixels, height, width) / np.float32(white)
    return resized


def _step(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if rows >= height and columns >= width:
        return shrink(pixels, height, width)
    return _bytes(resize_cubic(pixels, height, width))


def _bytes(values: Float32) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded


def restore(values: NDArray[Any], height: int, width: int, how: str = "cubic") -> Float32:
    """Bring a network's output to the size of the picture.

    Parameters
    ----------
    values : array
        What the network gave (h, w): relative inverse depth, or metres.
    height, width : int
        Size of the picture in pixels.
    how : str
        One of `families.RESTORES`.

    Returns
    -------
    array
        (H, W), float32, contiguous, in the same units. As in the official code, cubic interpolation may overshoot:
        next to edges values can lie a little outside the range of the input, and below 0.

    Raises
    ------
    UsageError
        When the map is not (h, w), or a size is not positive.
    """
    if values.ndim != 2:
        raise UsageError(f"A depth map must be an array (H, W), not {values.shape}")
    return _resized(values, height, width, _TAPS[how])


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
    return _resized(array, height, width, _cubic)


Taps = tuple[NDArray[np.intp], Float32]
"""For each output position the input positions that it is made of, and their weights: both (positions, taps)."""


def _resized(array: NDArray[Any], height: int, width: int, taps: Callable[[int, int], Taps]) -> Float32:
    """Resize the first two axes, as `resize_cubic` does, with the weights that ``taps`` gives for an axis."""
    if array.ndim not in (2, 3) or 0 in array.shape or height < 1 or width < 1:
        raise UsageError(f"An array {array.shape} cannot be resized to {height} × {width}")
    rows, columns = array.shape[:2]
    # The axis that leaves less to do for the other goes first.
    if height * columns <= rows * width:
        resized = _resize_columns(_resize_rows(array, height, taps), width, taps)
    else:
        resized = _resize_rows(_resize_columns(array, width, taps), height, taps)
    contiguous: Float32 = resized.astype(np.float32, order="C", copy=resized is array)
    return contiguous


def _resize_rows(array: NDArray[Any], length: int, taps: Callable[[int, int], Taps]) -> NDArray[Any]:
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


def _resize_columns(array: NDArray[Any], length: int, taps: Callable[[int, int], Taps]) -> NDArray[Any]:
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
def _blocks(length: int, new_length: int, channels: int, taps: Callable[[int, int], Taps]) -> list[_Block]:
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


_TAPS: dict[str, Callable[[int, int], Taps]] = {
    "cubic": _cubic,
    "linear": lambda length, new: _linear(_centres_of_torch(length, new), length),
    "linear_corners": lambda length, new: _linear(_corners(length, new), length),
}

PREPARED: dict[str, Callable[[NDArray[Any], int, int, ModelSpec], Float32]] = {
    "cubic": lambda picture, height, width, spec: resize_cubic(picture, height, width),
    "linear": lambda picture, height, width, spec: _resized(picture, height, width, _TAPS["linear"]),
    "bytes": _resize_bytes,
    "linear_antialiased": lambda picture, height, width, spec: _resized(
        picture, height, width, _linear_antialiased
    ),
}
"""How a picture is resized for a network: picture (H, W, 3), new height and width, spec → float32, the same range."""
INPUTS: dict[str, Callable[[int, int], float]] = {
    "aspect": lambda width, height: width / height,
}
"""What a network may take besides the picture: a number that follows from the picture's width and height."""
