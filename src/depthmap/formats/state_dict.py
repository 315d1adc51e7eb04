"""The pickle of a checkpoint: stand-ins for what torch names in it, and the state dict among what it holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UnrecognisedFile, UnsafeFile
from .tensors import ITEM_SIZES, MAX_NAME, TensorInfo, are_lengths, brief, is_sane

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


class Unread(NamedTuple):
    """A tensor that is no plain array of numbers."""

    kind: str


def _quantised(*_: Any) -> Unread:
    return Unread("quantised")


def _sparse(*_: Any) -> Unread:
    return Unread("sparse")


def _parameter(tensor: TensorInfo, *_: Any) -> TensorInfo:
    return tensor


STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
    "QInt32Storage": "int32", "QInt8Storage": "int8", "QUInt8Storage": "uint8",
}  # fmt: skip
"""The dtype of each of torch's classes of storages."""
ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "defaultdict"): _collection,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
    ("torch", "device"): _other,
    ("torch._utils", "_rebuild_qtensor"): _quantised,
    ("torch._utils", "_rebuild_sparse_tensor"): _sparse,
    ("torch.serialization", "_get_layout"): _other,
    **{("torch", scheme): "" for scheme in ("per_tensor_affine", "per_channel_affine")},
    ("torch.storage", "UntypedStorage"): "uint8",
    **{("torch", storage): dtype for storage, dtype in STORAGES.items()},
    **{("torch", dtype): dtype for dtype in ITEM_SIZES},
}
"""The globals that may occur: functions are called, names of dtypes stand for torch's storage classes."""


class StateDict(NamedTuple):
    """What was found: ``is_all`` tells whether the file holds these tensors by name and nothing else."""

    tensors: dict[str, TensorInfo]
    is_all: bool
    unread: tuple[str, ...] = ()


def state_dict_of(content: Any, strangers: Sequence[str], path: Path) -> StateDict:
    """Return the state dict in ``content``, which named the ``strangers``: classes that are not known.

    It is what stands under one of the usual names, else all tensors of dictionaries within dictionaries, their names
    joined by dots: whose they are is then told by what begins their names.

    Raises
    ------
    UnrecognisedFile
        When there is none.
    UnsafeFile
        When there is none, but objects.
    """
    wrapped = (content.get(key) for key in _WRAPPERS) if type(content) is dict else ()
    state = next((inner for inner in wrapped if type(inner) is dict and _has_tensors(inner)), content)
    named = _named(state)
    tensors = {name: value for name, value in named.items() if type(value) is TensorInfo}
    unread = [f"{brief(name)} ({value.kind})" for name, value in named.items() if type(value) is Unread]
    if not tensors and strangers:
        raise UnsafeFile(
            f"it holds no named tensors, but objects of {brief(strangers[0])}, which would run code",
            path,
            "Save the network's state dict: torch.save(model.state_dict(), 'model.pt').",
        )
    if not tensors:
        quantised = f": {unread[0]} cannot be read" if unread else ""
        raise UnrecognisedFile(
            f"it holds no state dict{quantised}", path, "Use a checkpoint, which holds named tensors."
        )
    is_all = not strangers and all(type(content.get(name)) is TensorInfo for name in (*tensors, *content))
    return StateDict(tensors, is_all, (*unread, *map(brief, strangers)))


def _has_tensors(state: Mapping[Any, Any]) -> bool:
    return any(type(name) is str and type(value) is TensorInfo for name, value in state.items())


def _named(content: Any) -> dict[str, Any]:
    """Return what ``content`` and the dictionaries in it hold by name, each dictionary once: some hold themselves."""
    found: dict[str, Any] = {}
    waiting, seen = deque([("", content)]), set()
    while waiting:
        prefix, inner = waiting.popleft()
        if type(inner) is not dict or id(inner) in seen:
            continue
        seen.add(id(inner))
        for name, value in inner.items():
            if type(name) is not str or len(prefix) + len(name) > MAX_NAME:
                continue
            if type(value) is dict:
                waiting.append((f"{prefix}{name}.", value))
            else:
                found.setdefault(prefix + name, value)
    return found
