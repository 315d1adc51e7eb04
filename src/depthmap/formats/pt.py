"""``.pt``: torch's checkpoints, read and written without torch, and without running anything.

A checkpoint is a zip archive of stored (not compressed) records: ``NAME/data.pkl``, a pickle that names the
tensors, and ``NAME/data/KEY``, the bytes of one storage each. The pickle is read with stand-ins for the few
globals that torch writes for a state dict, and one that is nothing for all others; the tensors are mapped in
place. So are those of `legacy_pt`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ModelFileCorrupted, UnrecognisedFile, UnsafeFile
from . import legacy_pt, zip_directory
from .mapping import map_tensors
from .opening import open_regular, read_exactly
from .pickling import View, pickled
from .sink import Sink, sink
from .state_dict import ALLOWED, Storage, state_dict_of
from .tensors import ITEM_SIZES, Layout, checked
from .unpickling import MAX_PICKLE_BYTES, unpickle
from .zip_directory import Record
from .zip_writer import ALIGNMENT, Archive

if TYPE_CHECKING:
    import torch

    from .arrays import Array

suffix = ".pt"
_AGAIN = "Get the file again from its source."


def scan(path: Path) -> Layout:
    """Return the tensors of a checkpoint, reading only its directory and its pickle.

    Raises
    ------
    UnsafeFile
        When its pickle asks to run a program, holds no tensors but objects, or it is a TorchScript archive.
    ModelFileCorrupted
        When it is damaged.
    UnrecognisedFile
        When it is no checkpoint of torch, or holds no state dict.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        magic = read_exactly(file, 0, len(legacy_pt.MAGIC))
        legacy = magic == legacy_pt.MAGIC
        if not legacy and not magic.startswith(zip_directory.MAGIC):
            raise UnrecognisedFile("This is not a PyTorch checkpoint", path, _AGAIN)
        strangers: dict[str, None] = {}
        content = (legacy_pt.content if legacy else _zip_content)(file, size, path, strangers)
    found = state_dict_of(content, tuple(strangers), path)
    mapped, wrapped = found.is_all and not legacy, not found.is_all
    return checked(Layout(path, found.tensors, mapped=mapped, unread=found.unread, wrapped=wrapped), size)


def _zip_content(file: BinaryIO, size: int, path: Path, strangers: dict[str, None]) -> Any:
    try:
        records = zip_directory.records(file, size, path)
    except (ValueError, IndexError, struct.error) as error:
        raise ModelFileCorrupted(f"its directory cannot be read: {error}", path, _AGAIN) from error
    prefix = _prefix(records, path)
    pickled = records[f"{prefix}/data.pkl"]
    if pickled.length > MAX_PICKLE_BYTES:
        raise ModelFileCorrupted(
            f"its pickle has {pickled.length} bytes; no model needs so many", path, _AGAIN
        )
    order = records.get(f"{prefix}/byteorder")
    if order and read_exactly(file, order.start, min(order.length, 6)) != b"little":
        raise UnrecognisedFile(
            "its numbers are big-endian", path, "Save it again on a little-endian machine."
        )

    def storage(pid: Any) -> Storage:
        kind, dtype, key, _location, _elements = pid
        if kind != "storage" or type(key) is not str or dtype not in ITEM_SIZES:
            raise ValueError("an unknown kind of storage")
        record = records[f"{prefix}/data/{key}"]
        return Storage(dtype, record.start, record.length // ITEM_SIZES[dtype])

    return unpickle(read_exactly(file, *pickled), path, ALLOWED, storage, strangers)


def _prefix(records: Mapping[str, Record], path: Path) -> str:
    prefixes = [name[: -len("/data.pkl")] for name in records if name.endswith("/data.pkl")]
    if len(prefixes) != 1:
        raise UnrecognisedFile(
            "This zip file is not a PyTorch checkpoint",
            path,
            "If it contains a checkpoint, unpack it and use that.",
        )
    if f"{prefixes[0]}/constants.pkl" in records:
        raise UnsafeFile(
            "this is a TorchScript archive, which holds code",
            path,
            "Use the checkpoint (state dict) instead.",
        )
    return prefixes[0]


def load(path: Path, *, read: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors, mapped in place; with ``read`` the file is read into memory instead.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    return map_tensors(path, lambda: scan(path), read=read)


def save(
    tensors: Mapping[str, torch.Tensor | Array], path: Path, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a flat state dict in torch's zip format; ``metadata`` has no place in it and is not written.

    What shares memory as a whole (tied weights) shares it in the file.

    Raises
    ------
    UnrecognisedFile
        For a dtype that is none of `ITEM_SIZES`.
    OSError
        When the file cannot be made or written.
    """
    from .views import views_of

    views = views_of(tensors, path)
    with sink(path) as file:
        write(views, file)


def write(views: Mapping[str, View], file: Sink, name: str = "archive") -> None:
    """Write what ``torch.save`` writes for an ordered dictionary of these tensors to a file ``NAME.pt``.

    Records are written block by block: a mapped storage takes no memory. Byte for byte it is torch's file, but for
    the first half of the ``serialization_id``, which depends on the C++ library that torch was built with.

    Raises
    ------
    UsageError
        When tensors of different dtypes share a storage.
    OSError
        When the disk has not taken the file.
    """
    from .views import flat

    data, storages = pickled(views)
    archive = Archive(file, name)
    archive.add("data.pkl", data)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", b"little")
    for key, storage in enumerate(storages):
        archive.add(f"data/{key}", flat(storage))
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", f"{archive.count:020}{archive.digest:020}".encode())
    archive.close()
