"""``.safetensors``: eight bytes of length, a JSON header, the tensors. For import and export."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileCorrupted, UnrecognisedFile
from .mapping import map_tensors
from .opening import open_regular, read_exactly
from .tensors import ITEM_SIZES, Layout, TensorInfo, brief, checked, is_sane

if TYPE_CHECKING:
    import torch

    from .arrays import Array

suffix = ".safetensors"
_MAX_HEADER = 16 << 20  # a tensor takes about 100 bytes
_CODES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_NAMES = {name: code for code, name in _CODES.items()}
_AGAIN = "Get the file again from its source."


def scan(path: Path) -> Layout:
    """Return the tensors that the header names, and its ``__metadata__``.

    Raises
    ------
    ModelFileCorrupted
        When the header is damaged, or names bytes outside the file or of another number than the shape needs.
    UnrecognisedFile
        When a tensor is of a dtype that no network here has.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(read_exactly(file, 0, 8), "little")
        if not 2 <= length <= min(_MAX_HEADER, size - 8):
            raise ModelFileCorrupted("its header has an impossible length", path, _AGAIN)
        raw = read_exactly(file, 8, length)
    try:
        header = json.loads(raw, object_pairs_hook=_unambiguous, parse_constant=_no_number)
        metadata = header.pop("__metadata__", {})
        tensors = {name: _describe(name, entry, 8 + length, path) for name, entry in header.items()}
        values = {str(key): str(value) for key, value in metadata.items()}
        _require_no_gaps(tensors, 8 + length, size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileCorrupted(f"its header cannot be read: {str(error)[:200]!r}", path, _AGAIN) from error
    if not tensors:
        raise UnrecognisedFile("it holds no tensors", path, "Use a checkpoint, which holds named tensors.")
    return checked(Layout(path, tensors, _decoded(values)), size)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # readers differ on which of two counts
        raise ValueError("a name occurs twice")
    return found


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _describe(name: str, entry: Mapping[str, Any], data: int, path: Path) -> TensorInfo:
    if entry["dtype"] not in _CODES:
        raise UnrecognisedFile(
            f"tensor {brief(name)} is of type {brief(entry['dtype'])}",
            path,
            "Convert it to float32 or float16.",
        )
    begin, end = entry["data_offsets"]
    info = TensorInfo(_CODES[entry["dtype"]], tuple(entry["shape"]), begin)
    if not is_sane(info) or type(end) is not int or end - begin != info.nbytes:
        raise ValueError(f"the size of tensor {brief(name)} does not fit its shape")
    return info._replace(offset=data + begin)


def _require_no_gaps(tensors: Mapping[str, TensorInfo], data: int, size: int) -> None:
    """Check that the tensors fill the file from the header to its end, as the format asks: none over another."""
    position = data
    for info in sorted(tensors.values(), key=lambda info: (info.offset, info.nbytes)):
        if info.offset != position:
            raise ValueError("its tensors overlap, or leave gaps")
        position += info.nbytes
    if tensors and position != size:
        raise ValueError("its tensors do not end where the file does")


def _decoded(values: Mapping[str, str]) -> dict[str, Any]:
    """Our own metadata is JSON under one key; other writers' is kept as the strings it is."""
    try:
        data = json.loads(values["depthmap"])
    except (KeyError, ValueError, RecursionError):
        return dict(values)
    return data if isinstance(data, dict) else dict(values)


def load(path: Path, *, read: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors, mapped in place (copied where the writer left them unaligned).

    Raises
    ------
    ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    return map_tensors(path, lambda: scan(path), read=read)


def save(
    tensors: Mapping[str, torch.Tensor | Array], path: Path, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write ``tensors``; ``metadata`` (builtins) goes into ``__metadata__`` as JSON.

    Raises
    ------
    UnrecognisedFile
        For a dtype that the format has not (complex numbers of other than 64 bits).
    """
    from .views import array_of, dtype_of, flat

    header: dict[str, Any] = {"__metadata__": {"depthmap": json.dumps(dict(metadata or {}))}}
    position = 0
    for name, tensor in tensors.items():
        dtype = dtype_of(tensor)
        if dtype not in _NAMES:
            raise UnrecognisedFile(
                f"safetensors cannot hold tensor {brief(name)} ({dtype})", path, "Use .pt or .h5."
            )
        end = position + math.prod(tensor.shape) * ITEM_SIZES[dtype]
        header[name] = {"dtype": _NAMES[dtype], "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # so that the first tensor is aligned
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for tensor in tensors.values():
            file.write(flat(array_of(tensor).values).data)
