"""What every format says of its tensors: name, dtype, shape, and where the bytes lie. Needs neither torch nor NumPy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ModelFileCorrupted, UnsafeFile

ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
    "complex128": 16, "complex64": 8, "complex32": 4,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes an element, by the dtype's name (torch's, and NumPy's where it has it).

Not here are quantised numbers, which are none without their scale, and those that share a byte (float4, bits).
"""
NUMPY_LACKS = {
    "bfloat16": "uint16", "complex32": "uint32", "float8_e4m3fn": "uint8", "float8_e4m3fnuz": "uint8",
    "float8_e5m2": "uint8", "float8_e5m2fnuz": "uint8", "float8_e8m0fnu": "uint8",
}  # fmt: skip
"""torch's dtypes that NumPy has not, and the integers that hold their bits."""

MAX_RANK = 16
MAX_TENSORS = 100_000
_MAX_LENGTH = 1 << 40
MAX_NAME = 1024
_MAX_SHARING = 4
"""How often a file's bytes may be named by its tensors: tied weights name theirs twice."""


class TensorInfo(NamedTuple):
    """One tensor of a file: ``offset`` is its first byte in the file, ``strides`` in elements (None: C order)."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...] | None = None

    @property
    def extent(self) -> int:
        """Elements from the first to the last one that the tensor touches."""
        if 0 in self.shape:
            return 0
        if self.strides is None:
            return math.prod(self.shape)
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last element."""
        return self.extent * ITEM_SIZES[self.dtype]

    @property
    def copied_bytes(self) -> int:
        """Bytes of a contiguous copy; strides can make it larger than ``nbytes``."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]


@dataclass(frozen=True)
class Layout:
    """What a file holds: tensors in its order, and its metadata as builtins.

    ``mapped`` is False where some tensor's bytes do not lie in the file as they are in memory (compressed,
    chunked, another byte order), the file is of an outdated form, or the state dict is wrapped: such a file is read,
    then rewritten.
    """

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapped: bool = True
    unread: tuple[str, ...] = ()
    """What else it holds and cannot be read, for messages: tensors with their kind, classes of objects."""
    wrapped: bool = False
    """Whether the tensors are but a part of what it holds."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape by name."""
        return {name: info.shape for name, info in self.tensors.items()}

    @property
    def dtypes_and_shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Dtype and shape by name."""
        return {name: (info.dtype, info.shape) for name, info in self.tensors.items()}

    def dumps(self) -> str:
        """Return the tensors as JSON; `placed` reads it."""
        return json.dumps(self.tensors, separators=(",", ":"))


def placed(path: Path, text: str, file_size: int) -> Layout:
    """Return the layout of the file whose tensors are where ``text``, of `Layout.dumps`, has them.

    Raises
    ------
    ModelFileCorrupted, UnsafeFile
        When it is no such text, or not of a file of this size.
    """
    try:
        tensors = {
            name: TensorInfo(dtype, tuple(shape), offset, strides if strides is None else tuple(strides))
            for name, (dtype, shape, offset, strides) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileCorrupted(
            f"the record of where its tensors lie is damaged ({str(error)[:200]})",
            path,
            "Scan the file.",
        ) from error
    return checked(Layout(path, tensors), file_size)


def checked(layout: Layout, file_size: int) -> Layout:
    """Return ``layout`` if every tensor is sane and, where they are mapped, lies within the file.

    Raises
    ------
    ModelFileCorrupted
        When one does not: a truncated file, or a header that lies.
    UnsafeFile
        When copies of the mapped tensors would take a multiple of the file.
    """
    remedy = "Get the file again from its source."
    if len(layout.tensors) > MAX_TENSORS:
        raise ModelFileCorrupted(
            f"{len(layout.tensors)} tensors is more than any network has", layout.path, remedy
        )
    for name, info in layout.tensors.items():
        if not is_name(name) or not is_sane(info):
            raise ModelFileCorrupted(
                f"tensor {brief(name)} claims an impossible name, type, shape or place", layout.path, remedy
            )
        if layout.mapped and info.offset + info.nbytes > file_size:
            raise ModelFileCorrupted(
                f"tensor {brief(name)} lies outside the file; the file is cut short or altered",
                layout.path,
                remedy,
            )
    total = sum(info.copied_bytes for info in layout.tensors.values())
    if layout.mapped and total > _MAX_SHARING * file_size:
        raise UnsafeFile(
            f"its tensors claim {total} bytes of the {file_size} that it has",
            layout.path,
            "Use another file.",
        )
    return layout


def is_name(name: object) -> bool:
    """Tell whether a tensor can have this name: text that can be printed, and written to any format."""
    return type(name) is str and 0 < len(name) <= MAX_NAME and name.isprintable()


def is_sane(info: TensorInfo) -> bool:
    """Tell whether dtype, shape, offset and strides are of their types, and no product of them is beyond 64 bits.

    Only then may sizes be computed: what a file gives for a number may be text, or have a million digits.
    """
    dtype, shape, offset, strides = info
    return (
        type(dtype) is str
        and dtype in ITEM_SIZES
        and are_lengths(shape)
        and (strides is None or (are_lengths(strides) and len(strides) == len(shape)))
        and math.prod([n or 1 for n in shape]) < 1 << 60
        and type(offset) is int
        and offset >= 0
    )


def are_lengths(numbers: object) -> bool:
    """Tell whether this is a tuple of at most `MAX_RANK` integers from 0 to 2⁴⁰."""
    return (
        type(numbers) is tuple
        and len(numbers) <= MAX_RANK
        and all([type(n) is int and 0 <= n < _MAX_LENGTH for n in numbers])  # noqa: C419 - thrice as fast
    )


def brief(name: object) -> str:
    """Return a name out of a file as it can stand in a message: quoted, escaped, at most 80 characters."""
    return repr(name[:80]) if isinstance(name, str) else f"of type {type(name).__name__}"
