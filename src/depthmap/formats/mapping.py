"""Files as tensors without a copy: pages are shared between processes until somebody writes to them."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .tensors import ITEM_SIZES, TensorInfo

if TYPE_CHECKING:
    import torch


def map_tensors(path: Path, tensors: Mapping[str, TensorInfo]) -> dict[str, torch.Tensor]:
    """Map ``path`` and return its tensors, lying in the mapping.

    The mapping is private: a write to a tensor copies the page it touches and never reaches the file. It lives
    as long as one of the tensors does, also after the file has been unlinked or replaced by rename.

    ``tensors`` must have been checked against the file's size (`tensors.checked`).
    """

    if not tensors:
        return {}
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {name: _view(mapping, info) for name, info in tensors.items()}


def _view(mapping: mmap.mmap, info: TensorInfo) -> torch.Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, info.dtype)
    if info.extent == 0:
        return torch.empty(info.shape, dtype=dtype)
    if info.offset % ITEM_SIZES[info.dtype]:  # an unaligned tensor (safetensors allows it) must be copied
        raw = bytearray(mapping[info.offset : info.offset + info.nbytes])
        flat = torch.frombuffer(raw, dtype=dtype)
    else:
        flat = torch.frombuffer(mapping, dtype=dtype, count=info.extent, offset=info.offset)
    return flat.view(info.shape) if info.strides is None else flat.as_strided(info.shape, info.strides)
