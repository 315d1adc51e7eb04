"""``.h5``: every tensor a contiguous, 64-byte-aligned, little-endian data set, mapped at its offset in the file.

Our own files are flat: one data set per tensor under its state-dict name, and one JSON attribute with the metadata and
an index of the tensors. The index spares a load the walk over the data sets; it is believed only where the file's
digest was verified, since a tool that rewrites the file would leave it as it was.
Anybody's files are read too: groups become dots, chunked or compressed data sets are decoded (and the caller
rewrites them). What would reach outside the file (external storage, external and soft links, virtual data sets)
is refused.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileCorrupted, UnrecognisedFile, UnsafeFile
from .mapping import map_tensors
from .tensors import ITEM_SIZES, MAX_TENSORS, Layout, TensorInfo, checked

if TYPE_CHECKING:
    import h5py
    import torch

suffix = ".h5"
ALIGNMENT = 64
ATTRIBUTE = "depthmap"
_INDEX = "tensors"
_MAX_DEPTH = 32
_MAX_EXPANSION = 1100
"""deflate, the strongest of HDF5's own filters, packs at most 1032 to 1; a file claiming more is a bomb."""
_AGAIN = "Get the file again from where it came from."


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    import h5py

    try:
        with h5py.File(
            path, "r", locking=False
        ) as file:  # readers take no lock: files are replaced, never changed
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ModelFileCorrupted(f"HDF5 cannot read it: {error}", path, _AGAIN) from error


def scan(path: Path) -> Layout:
    """Return the tensors of an HDF5 file without reading them, in the order in which they lie in it.

    Raises
    ------
    UnsafeFile
        When it reaches outside itself, or claims to unpack to absurd sizes.
    ModelFileCorrupted
        When HDF5 cannot read it.
    UnrecognisedFile
        When a data set is of a type that no network has.
    """
    size = path.stat().st_size
    tensors: dict[str, TensorInfo] = {}
    mapped = True
    total = 0
    with _opened(path) as file:
        for name, dataset in _datasets(file, path):
            tensors[name], in_place = _describe(name, dataset, path)
            mapped = mapped and in_place
            total += tensors[name].nbytes
            if total > size * _MAX_EXPANSION:
                raise UnsafeFile(f"it claims to hold {total} bytes in {size}", path, "Use another file.")
            if len(tensors) > MAX_TENSORS:
                raise UnsafeFile("it holds more data sets than any network has", path, "Use another file.")
        metadata = _metadata(file)
    if not tensors:
        raise UnrecognisedFile("it holds no tensors", path, "Use an HDF5 file with one data set per tensor.")
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].offset))
    stale = _INDEX in metadata and _index(metadata) != tensors
    metadata.pop(_INDEX, None)
    return checked(Layout(path, ordered, metadata, mapped and not stale), size)


def _datasets(file: h5py.File, path: Path) -> Iterator[tuple[str, h5py.h5d.DatasetID]]:
    """Yield (name, data set) for every data set that the file itself holds, each group visited once.

    h5py's low-level API, because its high-level one costs 0.4 ms a data set.
    """
    import h5py

    waiting = [("", file.id)]
    seen = set()
    while waiting:
        prefix, group = waiting.pop()
        address = h5py.h5o.get_info(group).addr
        if address in seen or prefix.count(".") > _MAX_DEPTH:
            raise UnsafeFile("its groups form a cycle or are nested without end", path, "Use another file.")
        seen.add(address)
        links: list[bytes] = []
        group.links.iterate(links.append)
        for link in links:
            if group.links.get_info(link).type != h5py.h5l.TYPE_HARD:
                raise UnsafeFile(
                    f"{link!r} is a link to something else", path, "Use a file that holds its tensors itself."
                )
            item = h5py.h5o.open(group, link)
            name = prefix + link.decode("utf-8", "replace")
            if isinstance(item, h5py.h5g.GroupID):
                waiting.append((f"{name}.", item))
            elif isinstance(item, h5py.h5d.DatasetID):
                yield name, item


def _describe(name: str, dataset: h5py.h5d.DatasetID, path: Path) -> tuple[TensorInfo, bool]:
    """Return what a data set is and whether its bytes lie in the file as in memory."""
    import h5py

    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    if layout == h5py.h5d.VIRTUAL or (layout == h5py.h5d.CONTIGUOUS and creation.get_external_count()):
        raise UnsafeFile(
            f"data set {name!r} is stored outside the file", path, "Use a file that holds its tensors itself."
        )
    dtype = dataset.dtype
    if dtype.name not in ITEM_SIZES or dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise UnrecognisedFile(
            f"data set {name!r} is of type {dtype}", path, "Tensors are numbers: floats or integers."
        )
    offset = dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
    info = TensorInfo(dtype.name, tuple(dataset.shape), offset or 0)
    in_place = offset is not None and dtype.isnative and sys.byteorder == "little"
    return info, in_place or info.extent == 0


def _metadata(file: h5py.File) -> dict[str, Any]:
    text = file.attrs.get(ATTRIBUTE)
    try:
        data = json.loads(text) if isinstance(text, (str, bytes)) else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def load(path: Path, *, trusted: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors: mapped in place where they can be, else decoded into memory.

    ``trusted`` says that the file's digest was verified: our own files are then mapped by their index.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    import torch

    layout = (_indexed(path) if trusted else None) or scan(path)
    if layout.mapped:
        return map_tensors(path, layout.tensors)
    with _opened(path) as file:
        read = {name: torch.from_numpy(_read(dataset)) for name, dataset in _datasets(file, path)}
    return {name: read[name] for name in layout.tensors}


def _indexed(path: Path) -> Layout | None:
    """Return the layout that our own writer left in the file, or None."""
    with _opened(path) as file:
        tensors = _index(_metadata(file))
    return checked(Layout(path, tensors), path.stat().st_size) if tensors else None


def _index(metadata: Mapping[str, Any]) -> dict[str, TensorInfo]:
    """Return the tensors that the attribute names; none where it names none."""
    try:
        entries = metadata[_INDEX].items()
        return {name: TensorInfo(dtype, tuple(shape), offset) for name, (dtype, shape, offset) in entries}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _read(dataset: h5py.h5d.DatasetID) -> Any:
    import h5py
    import numpy as np

    array = np.empty(dataset.shape, dataset.dtype.newbyteorder("="))
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array


def save(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write ``tensors`` as contiguous data sets and ``metadata`` (builtins) as one JSON attribute.

    Raises
    ------
    UnrecognisedFile
        For a dtype that HDF5 has not (bfloat16), or a name with a slash, which HDF5 reads as groups.
    """
    import h5py

    # Strategy "none" turns off HDF5's block of small data sets, whose members it does not align. Version 1.10 is the
    # oldest that has it, so files can be read by whatever is as old as that.
    alignment = {"alignment_threshold": 1, "alignment_interval": ALIGNMENT}
    with h5py.File(path, "w", libver=("v110", "v110"), fs_strategy="none", **alignment) as file:
        index = {}
        for name, tensor in tensors.items():
            dtype = str(tensor.dtype).removeprefix("torch.")
            if dtype == "bfloat16" or dtype not in ITEM_SIZES or "/" in name:
                raise UnrecognisedFile(
                    f"tensor {name!r} ({dtype}) has no place in HDF5", path, "Use .pt or .safetensors."
                )
            index[name] = (dtype, list(tensor.shape), _write(file, name, tensor, dtype))
        file.attrs[ATTRIBUTE] = json.dumps({**(metadata or {}), _INDEX: index})


def _write(file: h5py.File, name: str, tensor: torch.Tensor, dtype: str) -> int:
    """Write one tensor and return its offset in the file."""
    import h5py
    import numpy as np

    shape = tuple(tensor.shape)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # so that even a data set never written has its place
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype).newbyteorder("<"), logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, space, creation)
    if math.prod(shape):
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, tensor.detach().contiguous().numpy())
    return dataset.get_offset() or 0
