"""The pickle of a checkpoint: stand-ins for what torch names in it, and the state dict among what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UnrecognisedFile
from .tensors import ITEM_SIZES, TensorInfo, are_lengths, is_sane

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")


class Storage(NamedTuple):
    """The numbers that tensors are views of: ``offset`` is their first byte in the file."""

    dtype: str
    offset: int
    elements: int


def _ordered_dict() -> dict[Any, Any]:
    return {}


def _other(*_: Any) -> None:
    """Stands in for what a checkpoint may hold beside tensors (an optimizer's flags)."""


def _collection(*_: Any) -> dict[Any, Any]:
    return {}


def _size(numbers: tuple[int, ...] = ()) -> tuple[int, ...]:
    if not are_lengths(numbers):
        raise ValueError("an impossible shape")
    return numbers


def _tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> TensorInfo:
    dtype, start, elements = storage
    if not is_sane(TensorInfo(dtype, shape, offset, strides)):
        raise ValueError("an impossible tensor")
    place = start + offset * ITEM_SIZES[dtype]
    info = TensorInfo(dtype, shape, place, None if _is_contiguous(shape, strides) else strides)
    if offset + info.extent > elements:
        raise ValueError("a tensor reaches outside its storage")
    return info


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True


def _tensor_v3(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    _gradient: Any,
    _hooks: Any,
    dtype: str,
    *_: Any,
) -> TensorInfo:
    """Return a tensor of a type that has no class of storages: those are plain bytes."""
    size = ITEM_SIZES[dtype]
    numbers = Storage(dtype, storage.offset, storage.elements * ITEM_SIZES[storage.dtype] // size)
    return _tensor(numbers, offset, shape, strides)


def _parameter(tensor: TensorInfo, *_: Any) -> TensorInfo:
    return tensor


_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
}  # fmt: skip
ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "defaultdict"): _collection,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): _other,
    ("torch.storage", "UntypedStorage"): "uint8",
    **{("torch", storage): dtype for storage, dtype in _STORAGES.items()},
    **{("torch", dtype): dtype for dtype in ITEM_SIZES},
}
"""The globals that may occur: functions are called, names of dtypes stand for torch's storage classes."""


def state_dict_of(content: Any, path: Path) -> tuple[dict[str, TensorInfo], bool]:
    """Return the state dict in ``content`` and whether something was wrapped around it.

    Raises
    ------
    UnrecognisedFile
        When there is none.
    """
    if tensors := _tensors_in(content):
        return tensors, len(tensors) != len(content)
    for key in _WRAPPERS:
        if type(content) is dict and (tensors := _tensors_in(content.get(key))):
            return tensors, True
    raise UnrecognisedFile("it holds no state dict", path, "Use a checkpoint: tensors by name.")


def _tensors_in(content: Any) -> dict[str, TensorInfo]:
    if type(content) is not dict:
        return {}
    return {name: value for name, value in content.items() if type(name) is str and type(value) is TensorInfo}
