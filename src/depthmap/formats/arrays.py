"""Tensors as NumPy arrays, without torch: each with the name of its dtype, since NumPy lacks some of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .tensors import NUMPY_LACKS


class Array(NamedTuple):
    """A tensor: ``dtype`` is torch's name of its numbers, a key of `ITEM_SIZES`.

    ``values`` are of NumPy's dtype of that name, or integers with the same bits (`NUMPY_LACKS`).
    """

    dtype: str
    values: NDArray[Any]


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype, little-endian, of an `Array` of this dtype."""
    native: np.dtype[Any] = np.dtype(NUMPY_LACKS.get(dtype, dtype))
    return native.newbyteorder("<")
