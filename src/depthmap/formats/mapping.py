"""Files as tensors without a copy: pages are shared between processes until somebody writes to them."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ModelFileCorrupted, UnrecognisedFile
from . import readahead
from .leases import lease
from .opening import identity, open_regular
from .tensors import ITEM_SIZES, Layout, TensorInfo

if TYPE_CHECKING:
    import torch

# File systems whose pages come over a network one by one, and whose files may shrink under a mapping.
_REMOTE = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse",
    "fuse.rclone", "fuse.glusterfs", "fuse.davfs2", "lustre", "beegfs", "gpfs",
}  # fmt: skip
_BLOCK = 16 << 20
_ROUNDS = 10


def map_tensors(path: Path, scan: Callable[[], Layout], *, read: bool = False) -> dict[str, torch.Tensor]:
    """Map ``path`` and return the tensors that ``scan`` finds in it, lying in the mapping; see `map_file`.

    Raises
    ------
    UnrecognisedFile
        When this version of torch has not the type of its numbers.
    FileError
        As `map_file` does.
    """
    return _views(*map_file(path, scan, read=read))


def map_file(path: Path, scan: Callable[[], Layout], *, read: bool = False) -> tuple[mmap.mmap, Layout]:
    """Map ``path``; return the mapping and what ``scan`` finds in the file.

    The mapping is private: a write to it copies the page it touches and never reaches the file. It lives as long as
    what lies in it does, also after the file has been unlinked or replaced by rename; so long `leases.is_mapped` is
    true of the file. When the file is replaced between the scan and the mapping, both are done again: one file's
    layout is never laid over another's bytes.

    With ``read`` the file is read from beginning to end into memory of this process instead.

    Raises
    ------
    ModelFileCorrupted
        When the file became shorter while it was read, or is replaced without end.
    FileError
        As ``scan`` does.
    """
    for _ in range(_ROUNDS):
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            layout = scan()
            if identity(os.stat(path)) != identity(status):
                continue
            lease(file)
            mapping = _read(file, path) if read else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            readahead.mapped(status, mapping)
        return mapping, layout
    raise ModelFileCorrupted(
        "another program keeps replacing it", path, "Find out which program does that, and stop it."
    )


def _read(file: BinaryIO, path: Path) -> mmap.mmap:
    size = os.fstat(file.fileno()).st_size
    memory = mmap.mmap(-1, size)
    view = memoryview(memory)
    done = 0
    while done < size:
        count = file.readinto(view[done : done + _BLOCK])  # type: ignore[attr-defined]  # typeshed has it for raw files only
        if not count:
            raise ModelFileCorrupted(
                f"it ended after {done} of {size} bytes while it was read",
                path,
                "Run 'depthmap models repair'.",
            )
        done += count
    view.release()
    return memory


def is_remote(path: Path, table: str | None = None) -> bool:
    """Tell whether a file lies on a network file system, by the system's table of mounts; False where it has none."""
    if table is None:
        try:
            table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return False
    best, kind = "", ""
    real = os.path.realpath(path)
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        if len(before.split()) < 5 or not after:
            continue
        point = re.sub(
            r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4]
        )  # \040 is a space
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind in _REMOTE


def _views(mapping: mmap.mmap, layout: Layout) -> dict[str, torch.Tensor]:
    dtypes = {
        name: torch_dtype(name, layout.path) for name in {info.dtype for info in layout.tensors.values()}
    }
    return {name: _view(mapping, info, dtypes[info.dtype]) for name, info in layout.tensors.items()}


def torch_dtype(name: str, path: Path) -> torch.dtype:
    """Return torch's dtype of that name, a key of `ITEM_SIZES`, for the tensors of ``path``.

    Raises
    ------
    UnrecognisedFile
        When this version of torch has not got it.
    """
    import torch

    if not hasattr(torch, name):
        raise UnrecognisedFile(
            f"its numbers are of type {name}, which torch {torch.__version__} does not have",
            path,
            "Update torch.",
        )
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _view(mapping: mmap.mmap, info: TensorInfo, dtype: torch.dtype) -> torch.Tensor:
    import torch

    extent = info.extent
    if extent == 0:
        return torch.empty(info.shape, dtype=dtype)
    if info.offset % ITEM_SIZES[info.dtype]:  # an unaligned tensor (safetensors allows it) must be copied
        raw = bytearray(mapping[info.offset : info.offset + info.nbytes])
        flat = torch.frombuffer(raw, dtype=dtype)
    else:
        flat = torch.frombuffer(mapping, dtype=dtype, count=extent, offset=info.offset)
    if info.strides is not None:
        return flat.as_strided(info.shape, info.strides)
    return flat if len(info.shape) == 1 else flat.view(info.shape)
