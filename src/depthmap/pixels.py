"""Arrays of pixels, in whatever shape and type they come, brought to RGB."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import ImageError

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
"""``(H, W, 3)`` RGB: ``uint8`` in [0, 255] or ``float32`` in [0, 1]."""

_CHANNELS = (1, 2, 3, 4)
# Resizing and rounding leave values a little outside [0, 1]; those are clipped, others are a mistake.
_SLACK = 1e-3


def from_array(array: NDArray[Any], where: str, max_pixels: int) -> Pixels:
    """Bring ``(H, W)`` or ``(H, W, 1 | 2 | 3 | 4)`` to RGB, in new memory; see :func:`depthmap.images.read`.

    Raises
    ------
    ImageError
        When the shape, the type or the values are not a picture's; ``where`` says whose.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS:
        remedy = "Give one picture as (H, W) or (H, W, 1 to 4); turn (3, H, W) with .transpose(1, 2, 0)."
        raise ImageError("The shape is not a picture's", where, remedy)
    check_size(array.shape[1], array.shape[0], where, max_pixels)
    return _rgb(_scaled(array, where))


def check_size(width: int, height: int, where: str, max_pixels: int) -> None:
    """Raise ImageError unless there are from 1 to ``max_pixels`` pixels."""
    if width < 1 or height < 1:
        raise ImageError(f"The picture has no pixels ({width} × {height})", where, "Give at least 1 × 1.")
    if width * height > max_pixels:
        what = f"The picture has too many pixels: {width} × {height}, the limit is {max_pixels}"
        raise ImageError(what, where, "Save it smaller, or raise max_pixels.")


def is_tensor(value: object) -> bool:
    """Say whether this is a torch tensor, without importing torch."""
    return any(base.__module__ == "torch" and base.__name__ == "Tensor" for base in type(value).__mro__)


def tensor_array(tensor: Any, where: str) -> NDArray[Any]:
    """Return a torch tensor as ``(H, W)`` or ``(H, W, C)``; ``(C, H, W)`` wins where both would fit.

    Raises
    ------
    ImageError
        When the tensor is sparse, quantised or otherwise without plain values.
    """
    try:
        tensor = tensor.detach().cpu()
        if "float16" in str(tensor.dtype):  # NumPy has no bfloat16
            tensor = tensor.float()
        array: NDArray[Any] = np.asarray(tensor.numpy())
    except Exception as error:  # each kind of tensor fails in its own way
        raise ImageError(f"The tensor has no plain values: {error}", where, "Give a dense tensor.") from error
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] in _CHANNELS:
        array = array.transpose(1, 2, 0)
    return array


def _scaled(array: NDArray[Any], where: str) -> Pixels:
    """Return the values as uint8 in [0, 255] or float32 in [0, 1]."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if (kind, size) == ("u", 1):
        return array.astype(np.uint8, copy=False)
    if kind == "b":
        return np.asarray(np.multiply(array, 255, dtype=np.uint8))
    if (kind, size) == ("u", 2):
        return np.asarray(np.divide(array, 65535, dtype=np.float32))
    if kind == "f" and size <= 8:
        _check_range(float(array.min()), float(array.max()), where)
        return np.clip(array.astype(np.float32), 0, 1)
    remedy = "Convert it to uint8 in [0, 255], uint16 in [0, 65535] or float32 in [0, 1]."
    raise ImageError(f"Pixels of type {array.dtype} are not supported", where, remedy)


def _check_range(low: float, high: float, where: str) -> None:
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("The picture holds NaN or infinite values", where, "Replace them first.")
    if low < -_SLACK:
        remedy = "Give values in [0, 1]: undo the normalisation by mean and standard deviation, or clip them."
        raise ImageError(f"The picture holds negative values, down to {low:g}", where, remedy)
    if high > 1 + _SLACK:
        remedy = "Divide them by 255." if high <= 255 else "Divide them by the largest value that can occur."
        raise ImageError(f"Float values must lie in [0, 1], but these reach {high:g}", where, remedy)


def _rgb(array: NDArray[Any]) -> Pixels:
    """Return ``(H, W, 1 | 2 | 3 | 4)`` as a new ``(H, W, 3)``."""
    if array.shape[2] in (2, 4):
        array = _over_white(array[:, :, :-1], array[:, :, -1:])
    if array.shape[2] == 1:
        array = np.broadcast_to(array, (*array.shape[:2], 3))
    rgb: Pixels = array.copy(order="C")
    return rgb


def _over_white(colour: NDArray[Any], alpha: NDArray[Any]) -> Pixels:
    if colour.dtype == np.uint8:
        weight = alpha.astype(np.uint16)
        over: NDArray[np.uint8] = ((colour * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)
        return over
    return np.asarray(colour * alpha + (1 - alpha), dtype=np.float32)
