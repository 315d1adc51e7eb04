"""HDF5's global heap, read before HDF5 reads it: some damage there makes the library (2.0.0) go round for ever.

Texts of any length and virtual data sets lie in collections: a head with the size of the whole, then objects, each
with its own. HDF5 goes from one to the next by that size without asking that it be more than nothing, within C code
that neither a signal handler nor a time-out ends.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from ..errors import ModelFileCorrupted, UnsafeFile
from .opening import open_regular

_MAGIC = b"GCOL\x01"
_LENGTHS = {2: struct.Struct("<H6xH"), 4: struct.Struct("<H6xI"), 8: struct.Struct("<H6xQ")}
"""The head of an object, its index and its size, by the width that a file gives to sizes."""
_HEAD = 16
_MAX_STEPS = 1_000_000


def require_end(path: Path, width: int) -> None:
    """Go through every collection of a file whose sizes have ``width`` bytes.

    Raises
    ------
    ModelFileCorrupted
        When one of them never ends.
    UnsafeFile
        When there are more objects than any network's file has.
    """
    remedy = "Get the file again from its source."
    if width not in _LENGTHS:
        raise ModelFileCorrupted(f"its sizes have {width} bytes", path, remedy)
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        steps = 0
        at = raw.find(_MAGIC)
        while at >= 0:
            taken = _steps(raw, at, _LENGTHS[width], _MAX_STEPS - steps)
            if taken is None:
                raise ModelFileCorrupted("its heap of texts never ends", path, remedy)
            steps += taken + 1
            if steps >= _MAX_STEPS:
                raise UnsafeFile("it holds more texts than any network has", path, "Use another file.")
            at = raw.find(_MAGIC, at + 1)


def _steps(raw: mmap.mmap, start: int, form: struct.Struct, limit: int) -> int | None:
    """Return how many objects HDF5 would pass, or None where it would stay at one."""
    size = int.from_bytes(raw[start + 8 : start + form.size], "little")
    end = start + size
    if end > len(raw):  # HDF5 refuses it
        return 0
    at, steps = start + _HEAD, 0
    while at + _HEAD <= end and steps < limit:
        index, length = form.unpack_from(raw, at)
        step = (_HEAD + (length + 7 & ~7)) % (1 << 64) if index else length
        if not step:
            return None
        at, steps = at + step, steps + 1
    return steps
