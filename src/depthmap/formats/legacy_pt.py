"""torch's format before 1.6: four pickles, the names of the storages, then each storage as a count and its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ModelFileCorrupted, UnrecognisedFile
from .opening import read_exactly
from .state_dict import ALLOWED, Storage
from .tensors import ITEM_SIZES
from .unpickling import MAX_PICKLE_BYTES, Unpickler

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_COUNT = 8


def content(file: BinaryIO, size: int, path: Path, strangers: dict[str, None]) -> Any:
    """Return what a file of ``size`` bytes holds, tensors as `TensorInfo`; for ``strangers`` see `Unpickler`.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted
        See `Unpickler.load`; ModelFileCorrupted also when the storages do not lie where they should.
    UnrecognisedFile
        When its numbers are big-endian.
    """
    data = read_exactly(file, len(MAGIC), MAX_PICKLE_BYTES)
    unpickler = Unpickler(data, path, ALLOWED, strangers=strangers)
    unpickler.load()  # the version of the protocol
    system = unpickler.load()
    if type(system) is not dict or system.get("little_endian") is not True:
        raise UnrecognisedFile(
            "its numbers are big-endian", path, "Save it again on a little-endian machine."
        )
    start = unpickler.position
    # Where the storages lie is told after the tensors, so these are read twice.
    claimed: dict[str, Storage] = {}
    unpickler.storage = lambda pid: claimed.setdefault(pid[2], _claimed(pid))
    unpickler.load()
    places = _places(unpickler.load(), claimed, file, len(MAGIC) + unpickler.position, size, path)
    unpickler.storage = lambda pid: places[pid[2]]
    unpickler.position = start
    return unpickler.load()


def _claimed(pid: Any) -> Storage:
    kind, dtype, key, _location, elements, view = pid
    if kind != "storage" or type(key) is not str or dtype not in ITEM_SIZES or view is not None:
        raise ValueError("an unknown kind of storage")
    if type(elements) is not int or elements < 0:
        raise ValueError("a storage without a size")
    return Storage(dtype, 0, elements)


def _places(
    keys: Any, claimed: Mapping[str, Storage], file: BinaryIO, position: int, size: int, path: Path
) -> dict[str, Storage]:
    """Return the storages with their true offsets; they follow each other from ``position`` on."""
    found = {}
    for key in keys if type(keys) is list else []:
        storage = claimed.get(key) if type(key) is str else None
        count = int.from_bytes(read_exactly(file, position, _COUNT), "little")
        if storage is None or count != storage.elements:
            break
        found[key] = storage._replace(offset=position + _COUNT)
        position += _COUNT + count * ITEM_SIZES[storage.dtype]
    if found.keys() != claimed.keys() or position > size:
        raise ModelFileCorrupted(
            "its storages are not where they should be; the file is cut short or altered",
            path,
            "Get the file again from its source.",
        )
    return found
