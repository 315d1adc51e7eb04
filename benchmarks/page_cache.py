"""Files' pages in memory: driven out, counted, read one after another (Linux)."""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 8 << 20
_COLD = 0.01
"""The largest share of a file that may be in memory when it counts as cold."""


def drop(paths: Iterable[Path]) -> None:
    """Drive files out of the page cache.

    Raises
    ------
    RuntimeError
        When a file stays: another process has it mapped, or its file system keeps it in memory.
    """
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # what is yet to be written cannot be dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if (share := cached(path)) > _COLD:
            raise RuntimeError(f"{share:.0%} of {path} stay in the page cache")


def cached(path: Path) -> float:
    """Return the share of a file's pages that are in the page cache."""
    size = path.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapping:
        found = (ctypes.c_ubyte * pages)()
        first = ctypes.c_char.from_buffer(mapping)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), found)
        del first  # else the mapping could not be closed
        if failed:
            raise OSError(ctypes.get_errno(), "mincore failed", str(path))
    return sum(page & 1 for page in bytes(found)) / pages


def read(path: Path) -> float:
    """Read a file from its beginning to its end; return the seconds."""
    block = bytearray(_BLOCK)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
    return time.perf_counter() - start


def warm(paths: Iterable[Path]) -> None:
    """Bring files into the page cache."""
    for path in paths:
        read(path)
