"""torch's tensors and NumPy's arrays as views of storages, which is how a ``.pt`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnrecognisedFile
from .arrays import Array
from .pickling import View
from .tensors import ITEM_SIZES, NUMPY_LACKS, brief

if TYPE_CHECKING:
    import torch


def views_of(tensors: Mapping[str, torch.Tensor | Array], path: Path) -> dict[str, View]:
    """Return tensors as views to be written to ``path``.

    What is contiguous is not copied. Tensors of torch share what storages they share. Arrays share theirs if they
    are of one dtype and the same memory. What is not contiguous is copied when it is written.

    Raises
    ------
    UnrecognisedFile
        For a dtype that is none of `ITEM_SIZES`.
    """
    known: dict[Any, NDArray[Any]] = {}
    views = {}
    for name, tensor in tensors.items():
        dtype = dtype_of(tensor)
        if dtype not in ITEM_SIZES:
            raise UnrecognisedFile(
                f"A .pt cannot hold tensor {brief(name)} ({dtype})", path, "Convert it to float32."
            )
        views[name] = (
            _of_array(tensor, known) if isinstance(tensor, Array) else _of_tensor(tensor, dtype, known)
        )
    return views


def dtype_of(tensor: torch.Tensor | Array) -> str:
    """Return torch's name of the type of a tensor's numbers."""
    return str(tensor.dtype).removeprefix("torch.")


def array_of(tensor: torch.Tensor | Array) -> Array:
    """Return a tensor, of a dtype that is one of `ITEM_SIZES`, as an array on the same memory where it is the CPU's."""
    if isinstance(tensor, Array):
        return tensor
    import torch

    dtype = dtype_of(tensor)
    numbers = tensor.detach().cpu().resolve_conj().resolve_neg()
    return Array(dtype, numbers.view(getattr(torch, NUMPY_LACKS.get(dtype, dtype))).numpy())


def flat(storage: Any) -> NDArray[np.uint8]:
    """Return the bytes of a buffer, in C order, little-endian; not copied if they lie so in memory."""
    values = np.asarray(memoryview(storage))
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)


def _of_array(array: Array, known: dict[Any, NDArray[Any]]) -> View:
    dtype, values = array
    if values.dtype.itemsize != ITEM_SIZES[dtype]:
        raise ValueError(f"{values.dtype} does not hold the bits of {dtype}")
    storage = values
    if values.flags.c_contiguous and values.size:
        storage = known.setdefault((values.ctypes.data, values.nbytes, values.dtype, dtype), values)
    return View(dtype, storage, values.shape, _strides(values.shape))


def _of_tensor(tensor: torch.Tensor, dtype: str, known: dict[Any, NDArray[Any]]) -> View:
    import torch

    shape = tuple(tensor.shape)
    if not tensor.is_contiguous() or tensor.is_conj() or tensor.is_neg() or tensor.device.type != "cpu":
        return View(dtype, array_of(tensor).values, shape, _strides(shape))
    tensor = tensor.detach()
    storage = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).numpy()
    if storage.size:
        storage = known.setdefault((storage.ctypes.data, storage.nbytes, dtype), storage)
    return View(dtype, storage, shape, tuple(tensor.stride()), int(tensor.storage_offset()))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of C order; an axis of no length counts as one of length one, as torch has it."""
    strides = [1]
    for length in reversed(shape[1:]):
        strides.insert(0, strides[0] * max(length, 1))
    return tuple(strides[: len(shape)])
