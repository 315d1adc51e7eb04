"""``.h5``: every tensor a contiguous, 64-byte-aligned, little-endian data set, mapped at its offset in the file.

Our own files are flat: one data set per tensor under its state-dict name, and one JSON attribute with the metadata.
Numbers that HDF5 has not (bfloat16, float8) are stored bit for bit as unsigned integers of their size; the attribute
``torch_dtype`` of the data set says what they are.
Anybody's files are read too: groups become dots, chunked or gzipped data sets are decoded (and the caller
rewrites them). What would reach outside the file (external storage, external and soft links, virtual data sets)
is refused, and so are filters that HDF5 would look for among its plug-ins.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import FileError, ModelFileCorrupted, UnrecognisedFile, UnsafeFile
from .global_heap import require_end
from .mapping import map_tensors, torch_dtype
from .opening import open_regular, read_exactly
from .sink import sink
from .tensors import ITEM_SIZES, MAX_TENSORS, NUMPY_LACKS, Layout, TensorInfo, brief, checked, is_sane

if TYPE_CHECKING:
    import h5py
    import torch

    from .arrays import Array

suffix = ".h5"
ALIGNMENT = 64
ATTRIBUTE = "depthmap"
_DTYPE = b"torch_dtype"
_MAX_DEPTH = 32
_MAX_ATTRIBUTE, _MAX_DTYPE = 16 << 20, 64
_MAX_EXPANSION, _ALWAYS_ALLOWED = 16, 64 << 20
"""Weights pack at most four to one (half precision stored as double); small files may hold many zeros."""
_MAX_CHUNKS = 1_000_000
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_PIPELINES = {
    tuple(f for f in (shuffle, deflate, check) if f)
    for shuffle in (0, _SHUFFLE)
    for deflate in (0, _DEFLATE)
    for check in (0, _FLETCHER32)
}
"""Filters, in their order, that are let run: what can be undone in a bounded way."""
_AGAIN = "Get the file again from its source."
_ELSE = "Use another file."


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    import h5py

    with open_regular(path):  # HDF5 itself would wait for ever for the other end of a FIFO
        pass
    try:
        # Readers take no lock: files are replaced, never changed.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (FileError, FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # whatever a damaged file leads HDF5, and its translation to NumPy, to
        raise ModelFileCorrupted(f"HDF5 cannot read it: {str(error)[:200]}", path, _AGAIN) from error


def scan(path: Path) -> Layout:
    """Return the tensors of an HDF5 file without reading them, in the order in which they lie in it.

    Raises
    ------
    UnsafeFile
        When it reaches outside itself, or claims to unpack to absurd sizes.
    ModelFileCorrupted
        When HDF5 cannot read it.
    UnrecognisedFile
        When a data set is of a type that no network has, or packed in a way that is not known here.
    """
    tensors: dict[str, TensorInfo] = {}
    mapped = True
    with _opened(path) as file:
        require_end(path, file.id.get_create_plist().get_sizes()[1])
        size = path.stat().st_size
        limit = max(size * _MAX_EXPANSION, _ALWAYS_ALLOWED)
        total = 0
        for name, dataset in _datasets(file, path):
            tensors[name], in_place, needed = _describe(name, dataset, path)
            mapped = mapped and in_place
            total += needed
            if total > limit:
                raise UnsafeFile(f"it claims to hold {total} bytes, but has only {size}", path, _ELSE)
            if len(tensors) > MAX_TENSORS:
                raise UnsafeFile("it holds more data sets than any network has", path, _ELSE)
        metadata = _metadata(file)
    if not tensors:
        raise UnrecognisedFile("it holds no tensors", path, "Use an HDF5 file with one data set per tensor.")
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].offset))
    return checked(Layout(path, ordered, metadata, mapped), size)


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
        if address in seen or prefix.count(".") > _MAX_DEPTH or len(waiting) > MAX_TENSORS:
            raise UnsafeFile("its groups form a cycle or are nested without end", path, _ELSE)
        seen.add(address)
        for link in _links(group):
            if group.links.get_info(link).type != h5py.h5l.TYPE_HARD:
                raise UnsafeFile(
                    f"{brief(link.decode('utf-8', 'replace'))} is a link to something else",
                    path,
                    "Use a file that contains its own tensors.",
                )
            item = h5py.h5o.open(group, link)
            name = prefix + link.decode("utf-8", "replace")
            if isinstance(item, h5py.h5g.GroupID):
                waiting.append((f"{name}.", item))
            elif isinstance(item, h5py.h5d.DatasetID):
                yield name, item


def _links(group: h5py.h5g.GroupID) -> list[bytes]:
    """Return the names of a group's links: one more than a network has tensors at most, which is too many."""
    links: list[bytes] = []

    def add(link: bytes) -> bool | None:
        links.append(link)
        return True if len(links) > MAX_TENSORS else None  # what is not None ends the iteration

    group.links.iterate(add)
    return links


def _describe(name: str, dataset: h5py.h5d.DatasetID, path: Path) -> tuple[TensorInfo, bool, int]:
    """Return what a data set is, whether its bytes lie in the file as in memory, and the bytes to read it into."""
    import h5py

    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    if layout == h5py.h5d.VIRTUAL or (layout == h5py.h5d.CONTIGUOUS and creation.get_external_count()):
        raise UnsafeFile(
            f"data set {brief(name)} is stored outside the file",
            path,
            "Use a file that contains its own tensors.",
        )
    dtype = dataset.dtype
    if dtype.name not in ITEM_SIZES or dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise UnrecognisedFile(
            f"data set {brief(name)} is of type {str(dtype)[:80]}",
            path,
            "Tensors are numbers: floats or integers.",
        )
    if tuple(creation.get_filter(i)[0] for i in range(creation.get_nfilters())) not in _PIPELINES:
        raise UnrecognisedFile(
            f"data set {brief(name)} is compressed with a filter that depthmap does not know",
            path,
            "Save it again with gzip or no filter ('h5repack -f NONE').",
        )
    offset = dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
    info = TensorInfo(_dtype_of(name, dataset, path), tuple(dataset.shape), offset or 0)
    if not is_sane(info):
        raise ModelFileCorrupted(f"data set {brief(name)} claims an impossible shape", path, _AGAIN)
    # HDF5 has numbers that NumPy has not (odd widths, other exponents): they are converted, not mapped.
    native = dataset.get_type().equal(h5py.h5t.py_create(dtype.newbyteorder("="), logical=True))
    in_place = offset is not None and native and sys.byteorder == "little"
    chunk = math.prod(creation.get_chunk()) * dtype.itemsize if layout == h5py.h5d.CHUNKED else 0
    return info, in_place or info.extent == 0, max(info.nbytes, chunk)


def _dtype_of(name: str, dataset: h5py.h5d.DatasetID, path: Path) -> str:
    """Return the type of a data set's numbers: where they only stand for others, of those."""
    stored: str = dataset.dtype.name
    if not stored.startswith("uint"):
        return stored
    dtype = _text(dataset, _DTYPE, _MAX_DTYPE).decode("ascii", "replace")
    if dtype and NUMPY_LACKS.get(dtype) != stored:
        raise UnrecognisedFile(
            f"depthmap cannot read the data set {brief(name)}: it claims to hold {brief(dtype)}, stored as {stored}",
            path,
            "Update depthmap.",
        )
    return dtype or stored


def _metadata(file: h5py.File) -> dict[str, Any]:
    """Return what our own writer left in its attribute; nothing where it is another's, or absurd."""
    try:
        data = json.loads(_text(file.id, ATTRIBUTE.encode(), _MAX_ATTRIBUTE))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(owner: h5py.h5g.GroupID | h5py.h5d.DatasetID, name: bytes, limit: int) -> bytes:
    """Return an attribute that is one text of fixed length, as ours are; else nothing."""
    import h5py
    import numpy as np

    if not h5py.h5a.exists(owner, name):
        return b""
    attribute = h5py.h5a.open(owner, name)
    single = attribute.get_space().get_simple_extent_type() == h5py.h5s.SCALAR
    kind = attribute.get_type()
    # An array of texts can name one a million times, and for a text of any length HDF5 takes what memory it claims.
    if not single or not isinstance(kind, h5py.h5t.TypeStringID) or kind.is_variable_str():
        return b""
    if max(attribute.get_storage_size(), kind.get_size()) > limit:
        return b""
    text = np.empty((), attribute.dtype)
    attribute.read(text)
    return bytes(text[()])


def load(path: Path, *, read: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors: mapped in place where they can be, else decoded into memory.

    With ``read`` the file is read into memory instead of mapped.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    import torch

    if mapped := map_tensors(path, lambda: in_place(scan(path)), read=read):
        return mapped
    tensors = {}
    for name, (dtype, values) in decoded(path).items():
        numbers = torch.from_numpy(values)
        tensors[name] = numbers.view(torch_dtype(dtype, path)) if dtype in NUMPY_LACKS else numbers
    return tensors


def in_place(layout: Layout) -> Layout:
    """Return ``layout`` if the tensors lie in the file as they do in memory, else one without tensors."""
    return layout if layout.mapped else Layout(layout.path, {})


def decoded(path: Path) -> dict[str, Array]:
    """Return the tensors, decoded into memory.

    Raises
    ------
    UnsafeFile, ModelFileCorrupted, UnrecognisedFile
        As `scan` does.
    """
    from .arrays import Array

    layout = scan(path)
    with _opened(path) as file, open_regular(path) as raw:
        found = {}
        for name, dataset in _datasets(file, path):
            _require_honest_chunks(name, dataset, raw, path)
            found[name] = Array(layout.tensors[name].dtype, _read(dataset))
    return {name: found[name] for name in layout.tensors}


def _require_honest_chunks(name: str, dataset: h5py.h5d.DatasetID, raw: BinaryIO, path: Path) -> None:
    """Refuse a data set with a chunk that lies outside the file or unpacks to more than a chunk.

    HDF5 would unpack it whole, a thousand times its size, and only then find that it is no chunk.
    """
    import h5py

    creation = dataset.get_create_plist()
    if creation.get_layout() != h5py.h5d.CHUNKED:
        return
    found: list[tuple[int, int, int]] = []

    def add(chunk: Any) -> bool | None:
        found.append((chunk.byte_offset, chunk.size, chunk.filter_mask))
        return True if len(found) > _MAX_CHUNKS else None

    dataset.chunk_iter(add)
    size = path.stat().st_size
    length = math.prod(creation.get_chunk()) * dataset.get_type().get_size()
    filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    packed = filters.index(_DEFLATE) if _DEFLATE in filters else None
    for start, stored, mask in found:
        honest = start is not None and 0 <= start <= size - stored
        if honest and packed is not None and not mask >> packed & 1:
            honest = _unpacks_to(read_exactly(raw, start, stored), length)
        if not honest or len(found) > _MAX_CHUNKS:
            raise UnsafeFile(f"a chunk of data set {brief(name)} is not what it claims to be", path, _ELSE)


def _unpacks_to(packed: bytes, length: int) -> bool:
    """Tell whether a deflated stream has at most ``length`` bytes (and four, of a checksum), unpacking no more."""
    import zlib

    stream = zlib.decompressobj()
    try:
        stream.decompress(packed, length + 5)
    except zlib.error:
        return False
    return stream.eof


def _read(dataset: h5py.h5d.DatasetID) -> Any:
    import h5py
    import numpy as np

    array = np.empty(dataset.shape, dataset.dtype.newbyteorder("="))
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
    return array


def save(
    tensors: Mapping[str, torch.Tensor | Array], path: Path, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write ``tensors`` as contiguous data sets and ``metadata`` (builtins) as one JSON attribute.

    Raises
    ------
    UnrecognisedFile
        For a dtype that is none of `ITEM_SIZES`, or a name with a slash, which HDF5 reads as groups.
    """
    import h5py
    import numpy as np

    from .views import array_of, dtype_of

    # Strategy "none" turns off HDF5's block of small data sets, whose members it does not align. Version 1.10 is the
    # oldest that has it, so files can be read by whatever is as old as that.
    alignment = {"alignment_threshold": 1, "alignment_interval": ALIGNMENT}
    with (
        sink(path) as disk,
        h5py.File(disk, "w", libver=("v110", "v110"), fs_strategy="none", **alignment) as file,
    ):
        for name, tensor in tensors.items():
            if disk.failure:
                raise disk.failure
            dtype = dtype_of(tensor)
            if dtype not in ITEM_SIZES or "/" in name or name in (".", ".."):
                raise UnrecognisedFile(
                    f"HDF5 cannot hold tensor {brief(name)} ({dtype})", path, "Use .pt or .safetensors."
                )
            _write(file, name, array_of(tensor))
        # Of fixed length: texts of any length, as h5py writes them by itself, are not read.
        file.attrs[ATTRIBUTE] = np.bytes_(json.dumps(dict(metadata or {})).encode())


def _write(file: h5py.File, name: str, array: Array) -> None:
    import h5py
    import numpy as np

    dtype, values = array
    shape = values.shape
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # so that even a data set never written has its place
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # so that equal tensors are equal files
    stored = NUMPY_LACKS.get(dtype, dtype)
    kind = h5py.h5t.py_create(np.dtype(stored).newbyteorder("<"), logical=True)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, space, creation)
    if math.prod(shape):
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.asarray(values, stored, order="C"))
    if stored != dtype:
        mark = np.array(dtype.encode())
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(dataset, _DTYPE, h5py.h5t.py_create(mark.dtype), scalar).write(mark)
