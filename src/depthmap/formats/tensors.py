"""What every format says of its tensors: name, dtype, shape, and where the bytes lie. Needs neither torch nor NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelFileCorrupted

ITEM_SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes an element, by the dtype's name (torch's and NumPy's alike)."""

MAX_RANK = 16
MAX_TENSORS = 100_000


@dataclass(frozen=True)
class TensorInfo:
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


@dataclass(frozen=True)
class Layout:
    """What a file holds: tensors in its order, and its metadata as builtins.

    ``mapped`` is False where some tensor's bytes do not lie in the file as they are in memory (compressed,
    chunked, another byte order), the state dict is wrapped, or an index in the file is stale: such a file is read,
    then rewritten.
    """

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    mapped: bool = True

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape by name."""
        return {name: info.shape for name, info in self.tensors.items()}


def checked(layout: Layout, file_size: int) -> Layout:
    """Return ``layout`` if every tensor is sane and lies within the file.

    Raises
    ------
    ModelFileCorrupted
        When one does not: a truncated file, or a header that lies.
    """
    remedy = "Get the file again from where it came from."
    if len(layout.tensors) > MAX_TENSORS:
        raise ModelFileCorrupted(
            f"{len(layout.tensors)} tensors is more than any network has", layout.path, remedy
        )
    for name, info in layout.tensors.items():
        sane = len(info.shape) <= MAX_RANK and all(0 <= n < 2**40 for n in info.shape)
        if not sane or (
            info.strides is not None
            and (len(info.strides) != len(info.shape) or min(info.strides, default=0) < 0)
        ):
            raise ModelFileCorrupted(f"tensor {name!r} claims the shape {info.shape}", layout.path, remedy)
        if layout.mapped and (info.offset < 0 or info.offset + info.nbytes > file_size):
            raise ModelFileCorrupted(
                f"tensor {name!r} lies outside the file; the file is cut short or altered",
                layout.path,
                remedy,
            )
    return layout
