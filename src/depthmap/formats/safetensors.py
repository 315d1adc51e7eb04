"""``.safetensors``: eight bytes of length, a JSON header, the tensors. For import and export."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileCorrupted, UnrecognisedFile
from .mapping import map_tensors
from .tensors import ITEM_SIZES, Layout, TensorInfo, checked

if TYPE_CHECKING:
    import torch

suffix = ".safetensors"
_MAX_HEADER = 100_000_000  # the limit of the format's own library
_CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_NAMES = {name: code for code, name in _CODES.items()}
_AGAIN = "Get the file again from where it came from."


def scan(path: Path) -> Layout:
    """Return the tensors that the header names, and its ``__metadata__``.

    Raises
    ------
    ModelFileCorrupted
        When the header is damaged, or names bytes outside the file or of another number than the shape needs.
    UnrecognisedFile
        When a tensor is of a dtype that no network here has.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER, size - 8):
            raise ModelFileCorrupted("its header has an impossible length", path, _AGAIN)
        raw = file.read(length)
    try:
        header = json.loads(raw)
        metadata = header.pop("__metadata__", {})
        tensors = {name: _describe(name, entry, 8 + length, path) for name, entry in header.items()}
        values = {str(key): str(value) for key, value in metadata.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileCorrupted(f"its header cannot be read: {error!r}", path, _AGAIN) from error
    if not tensors:
        raise UnrecognisedFile("it holds no tensors", path, "Use a checkpoint: tensors by name.")
    return checked(Layout(path, tensors, _decoded(values)), size)


def _describe(name: str, entry: Mapping[str, Any], data: int, path: Path) -> TensorInfo:
    if entry["dtype"] not in _CODES:
        raise UnrecognisedFile(
            f"tensor {name!r} is of type {entry['dtype']}", path, "Convert it to float32 or float16."
        )
    begin, end = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    info = TensorInfo(_CODES[entry["dtype"]], shape, data + int(begin))
    if begin < 0 or end - begin != math.prod(shape) * ITEM_SIZES[info.dtype]:
        raise ValueError(f"tensor {name!r} has another size than its shape needs")
    return info


def _decoded(values: Mapping[str, str]) -> dict[str, Any]:
    """Our own metadata is JSON under one key; other writers' is kept as the strings it is."""
    try:
        data = json.loads(values["depthmap"])
    except (KeyError, ValueError):
        return dict(values)
    return data if isinstance(data, dict) else dict(values)


def load(path: Path, *, trusted: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors, mapped in place (copied where the writer left them unaligned).

    ``trusted`` changes nothing here.

    Raises
    ------
    ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    return map_tensors(path, scan(path).tensors)


def save(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write ``tensors``; ``metadata`` (builtins) goes into ``__metadata__`` as JSON."""
    header: dict[str, Any] = {"__metadata__": {"depthmap": json.dumps(dict(metadata or {}))}}
    position = 0
    for name, tensor in tensors.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        end = position + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[dtype], "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # so that the first tensor is aligned
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for tensor in tensors.values():
            file.write(memoryview(_bytes(tensor)))


def _bytes(tensor: torch.Tensor) -> Any:
    import torch

    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()
