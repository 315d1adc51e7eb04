"""Files as NumPy arrays, without torch and without a copy; each with its dtype's name, since NumPy lacks some."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UnrecognisedFile
from . import format_of, scan
from .mapping import map_file
from .tensors import ITEM_SIZES, NUMPY_LACKS, Layout, TensorInfo


class Array(NamedTuple):
    """A tensor: ``dtype`` is torch's name of its numbers, a key of `ITEM_SIZES`.

    ``values`` are of NumPy's dtype of that name, or integers with the same bits (`NUMPY_LACKS`).
    """

    dtype: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values."""
        return self.values.shape


def map_arrays(
    path: Path, layout: Callable[[], Layout] | None = None, *, read: bool = False
) -> dict[str, Array]:
    """Map a file of any format and return its tensors as read-only arrays that lie in the mapping.

    `mapping.map_tensors` does the same for torch, with the same checks. Names that stand for the same numbers get the
    same array. What lies unaligned, or otherwise than in memory (chunked, compressed), is copied.

    Parameters
    ----------
    path : Path
    layout : callable, optional
        What to call for the file's layout, instead of scanning it.
    read : bool
        Read the file into memory instead of mapping it.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As the format's ``scan`` does, and as `mapping.map_file` does.
    """
    if layout is None and format_of(path) == "h5":
        from . import hdf5

        found = _views(*map_file(path, lambda: hdf5.in_place(scan(path)), read=read))
        return found or _read_only(hdf5.decoded(path))
    return _views(*map_file(path, layout or (lambda: scan(path)), read=read))


def joined(arrays: list[Array]) -> Array:
    """Return arrays joined along their first axis.

    Raises
    ------
    UnrecognisedFile
        When they are of different dtypes.
    """
    dtype, *others = dict.fromkeys(array.dtype for array in arrays)
    if others:
        raise UnrecognisedFile(
            f"Tensors to be joined are of types {', '.join([dtype, *others])}",
            remedy="Convert them to one type.",
        )
    return Array(dtype, np.concatenate([array.values for array in arrays]))


def _views(mapping: mmap.mmap, layout: Layout) -> dict[str, Array]:
    memory = np.frombuffer(memoryview(mapping).toreadonly(), np.uint8)
    made = {info: Array(info.dtype, _view(memory, info)) for info in set(layout.tensors.values())}
    return {name: made[info] for name, info in layout.tensors.items()}


def _view(memory: NDArray[np.uint8], info: TensorInfo) -> NDArray[Any]:
    size, dtype = ITEM_SIZES[info.dtype], numpy_dtype(info.dtype)
    if info.extent == 0:
        return _frozen(np.empty(info.shape, dtype))
    found: NDArray[Any]
    strides = None if info.strides is None else tuple(size * stride for stride in info.strides)
    if info.offset % size:  # an unaligned tensor (safetensors allows it): engines want none
        copy = memory[info.offset : info.offset + info.nbytes].tobytes()
        found = np.ndarray(info.shape, dtype, copy, 0, strides)
    else:
        found = np.ndarray(info.shape, dtype, memory, info.offset, strides)
    return found


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy dtype, little-endian, of an `Array` of this dtype."""
    little: np.dtype[Any] = np.dtype(NUMPY_LACKS.get(dtype, dtype)).newbyteorder("<")
    return little


def _read_only(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: Array(dtype, _frozen(values)) for name, (dtype, values) in arrays.items()}


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
