"""The shim of ``shim.c`` as Python sees it: built by the C compiler, told what to do by ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
OPERATIONS = (
    "create",
    "mkdir",
    "write",
    "copy",
    "truncate",
    "fsync",
    "rename",
    "link",
    "symlink",
    "unlink",
)
"""What makes a boundary; the numbers are those of ``enum operation``."""
MODES = ("off", "count", "kill", "half", "fail")
GROWING = ("create", "mkdir", "write", "copy", "truncate", "fsync", "rename", "link", "symlink")
"""What a full disk refuses; removing files goes on."""


@dataclass(frozen=True)
class Orders:
    """What the shim is to do, and below which directory.

    ``kill``: die before boundary ``n``; ``half``: die half-way through the write that it is; ``fail``: refuse
    ``operations`` with ``error`` from boundary ``n`` on; ``count``: nothing. ``log`` takes the events, ``backup``
    the files that lose their names. ``clock`` shifts the wall clock by seconds. With ``mapped_stay`` no file that
    somebody has mapped is replaced or removed, as on Windows.
    """

    directory: str
    mode: str = "count"
    n: int = 0
    error: int = errno.ENOSPC
    operations: tuple[str, ...] = GROWING
    log: str = ""
    backup: str = ""
    links: bool = True
    clock: int = 0
    mapped_stay: bool = False


def missing() -> str:
    """Return why there can be no shim here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "the shim is for Linux"
    return "" if shutil.which("cc") else "the shim needs a C compiler (cc)"


def build(directory: Path) -> Path:
    """Compile the shim into ``directory``; return the library."""
    library = directory / "shim.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def arm(library: ctypes.CDLL, orders: Orders) -> None:
    """Let the shim, which this process was started with, begin."""
    mask = sum(1 << OPERATIONS.index(operation) for operation in orders.operations)
    library.shim_refuse_links(not orders.links)
    library.shim_keep_mapped(orders.mapped_stay)
    library.shim_shift_clock(ctypes.c_long(orders.clock))
    library.shim_arm(
        os.fsencode(orders.directory),
        MODES.index(orders.mode),
        orders.n,
        orders.error,
        mask,
        os.fsencode(orders.log),
        os.fsencode(orders.backup),
    )
