"""What happens to a picture before the network, and to the map after it: pure functions on arrays.

The input of most networks is made by one cubic resize, which is OpenCV's, with which the official code makes it, and
torch's, with which MiDaS brings the map to the size of the picture. Other networks see pictures resized otherwise, or
bring maps back by linear interpolation (`families.RESTORES`). It is done here in NumPy, so that engines without torch
share it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .areas import shrink
from .catalog import ModelSpec
from .errors import UsageError
from .input_sizes import network_size, whole_size
from .resizing import resize

Float32 = NDArray[np.float32]


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
    columns, rows = whole_size(pixels.shape[1], pixels.shape[0], spec)
    pixels = _step(pixels, rows, columns)
    resized: Float32 = _step(pixels, height, width) / np.float32(white)
    return resized


def _step(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if rows >= height and columns >= width:
        return shrink(pixels, height, width)
    return _bytes(resize(pixels, height, width))


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
    return resize(values, height, width, how)


def _by(how: str) -> Callable[[NDArray[Any], int, int, ModelSpec], Float32]:
    return lambda picture, height, width, spec: resize(picture, height, width, how)


PREPARED = {how: _by(how) for how in ("cubic", "linear", "linear_antialiased")} | {"bytes": _resize_bytes}
"""How a picture is resized for a network: picture (H, W, 3), new height and width, spec → float32, the same range."""
INPUTS: dict[str, Callable[[int, int], float]] = {
    "aspect": lambda width, height: width / height,
}
"""What a network may take besides the picture: a number that follows from the picture's width and height."""
