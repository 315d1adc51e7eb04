"""HDF5 files that reach outside themselves, unpack without end, or are damaged."""

from __future__ import annotations

import json
import os
import random
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .table import H5_DOORS, Maker, add, attack

h5 = attack(".h5", H5_DOORS)


def _sound(path: Path) -> None:
    """Write a file as our own writer does."""
    import torch

    from depthmap import formats

    formats.get("h5").save({"a": torch.ones(100), "b": torch.zeros(10, 10)}, path, {})


@h5
def _external_storage(path: Path, trace: Path) -> None:
    """A data set whose bytes are another file's."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (100,), "f4", external=[("/etc/passwd", 0, 400)])


@h5
def _external_storage_that_never_ends(path: Path, trace: Path) -> None:
    """A data set whose bytes are a device's."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2**34,), "f4", external=[("/dev/zero", 0, 2**36)])


@h5
def _an_external_link(path: Path, trace: Path) -> None:
    """A link into another file."""
    with h5py.File(path.with_suffix(".other"), "w") as other:
        other["a"] = np.ones(4, "f4")
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink(str(path.with_suffix(".other")), "/a")


@h5
def _an_external_link_that_waits(path: Path, trace: Path) -> None:
    """A link into a FIFO, to open which is to wait for ever."""
    os.mkfifo(path.with_suffix(".fifo"))
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink(str(path.with_suffix(".fifo")), "/a")


@h5
def _soft_links_in_a_circle(path: Path, trace: Path) -> None:
    """Two links, each to the other."""
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


@h5
def _a_virtual_data_set(path: Path, trace: Path) -> None:
    """A data set that is put together from other files."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_suffix(".other")), "a", (4,))
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)


@h5
def _a_virtual_data_set_that_waits(path: Path, trace: Path) -> None:
    """One without a fixed size, which is looked up in its sources when its shape is asked for: a FIFO."""
    os.mkfifo(path.with_suffix(".fifo"))
    layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
    source = h5py.VirtualSource(str(path.with_suffix(".fifo")), "a", (4,), maxshape=(None,))
    layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)


@h5
def _an_unknown_filter(path: Path, trace: Path) -> None:
    """A filter that HDF5 would look for among its plug-ins, and load."""
    with h5py.File(path, "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((4,))
        creation.set_filter(32026, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
        data = h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), creation)
        data.write_direct_chunk((0,), bytes(16))


@h5
def _a_filter_applied_thirty_times(path: Path, trace: Path) -> None:
    """Deflate of deflate of deflate: a thousand to one, each time."""
    raw = bytes(1_000_000)
    for _ in range(5):
        raw = zlib.compress(raw)
    with h5py.File(path, "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((250_000,))
        for _ in range(5):
            creation.set_filter(1, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((250_000,))
        h5py.h5d.create(file.id, b"a", h5py.h5t.IEEE_F32LE, space, creation).write_direct_chunk((0,), raw)


@h5
def _a_chunk_that_unpacks_to_gigabytes(path: Path, trace: Path) -> None:
    """A chunk of 16 bytes, whose packed form is that of 4 GB."""
    stream = zlib.compressobj(9)
    head = stream.compress(b"") + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(bytes(1 << 24)) + stream.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    raw = head + block * 256 + stream.flush()
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (4,), "f4", chunks=(4,), compression="gzip")
        data.id.write_direct_chunk((0,), raw)


@h5
def _a_chunk_larger_than_its_data_set(path: Path, trace: Path) -> None:
    """One number, in a chunk of 3 GB that deflate makes small."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1,), "f4", chunks=(800_000_000,), maxshape=(None,), compression="gzip")


@h5
def _chunks_that_were_never_written(path: Path, trace: Path) -> None:
    """Terabytes of the fill value in two kilobytes."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (10**6, 10**6), "f4", chunks=(1000, 1000), fillvalue=1.0)


@h5
def _a_contiguous_data_set_that_was_never_written(path: Path, trace: Path) -> None:
    """The same without chunks."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2**36,), "f4")


@h5
def _many_names_of_one_data_set(path: Path, trace: Path) -> None:
    """Ten thousand hard links to ten megabytes."""
    with h5py.File(path, "w") as file:
        file["a0"] = np.zeros(2_500_000, ">f4")
        for i in range(1, 10_000):
            h5py.h5o.link(file["a0"].id, file.id, b"a%d" % i)


@h5
def _groups_in_a_circle(path: Path, trace: Path) -> None:
    """A group that holds the root."""
    with h5py.File(path, "w") as file:
        file.create_group("g")["back"] = file["/"]


@h5
def _groups_that_multiply(path: Path, trace: Path) -> None:
    """Forty groups, each holding the next one twice: a trillion paths."""
    with h5py.File(path, "w") as file:
        groups = [file.create_group(f"g{i}") for i in range(40)]
        for outer, inner in pairwise(groups):
            outer["x"] = outer["y"] = inner
        groups[-1]["a"] = np.ones(4, "f4")


@h5
def _groups_nested_without_end(path: Path, trace: Path) -> None:
    """Two thousand groups, one in the other."""
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(2000):
            group = group.create_group("g")
        group["a"] = np.ones(4, "f4")


@h5
def _thirty_two_dimensions(path: Path, trace: Path) -> None:
    """As many as HDF5 allows."""
    with h5py.File(path, "w") as file:
        file["a"] = np.ones((1,) * 32, "f4")


@h5
def _a_dimension_of_exabytes_and_one_of_nothing(path: Path, trace: Path) -> None:
    """A shape whose product is nothing, and whose strides are beyond 64 bits."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2**60, 2**60, 0), "f4", chunks=(1, 1, 1), maxshape=(None, None, None))


def _types() -> dict[str, Any]:
    return {
        "text": np.array([b"text"]),
        "text of any length": np.array(["text"], dtype=h5py.string_dtype()),
        "lists of any length": np.array([[1, 2]], dtype=object),
        "references": "reference",
        "compounds": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "complex numbers": np.array([1j]),
        "opaque bytes": np.array([b"x"], dtype="V8"),
        "arrays in arrays": np.array([((1, 2),)], dtype=[("a", "i4", (2,))]),
        "long doubles": np.array([1], np.longdouble),
    }


def _of_type(value: Any) -> Maker:
    def make(path: Path, trace: Path) -> None:
        with h5py.File(path, "w") as file:
            if isinstance(value, str):
                file.create_dataset("a", data=[file.ref], dtype=h5py.ref_dtype)
            elif value.dtype == object and not isinstance(value[0], str):
                file.create_dataset("a", (1,), h5py.vlen_dtype(np.int32))[0] = [1, 2]
            else:
                file["a"] = value

    return make


for _name, _value in _types().items():
    add(f"a data set of {_name}", "A type that no tensor has.", ".h5", _of_type(_value), H5_DOORS)


@h5
def _numbers_of_twelve_bits(path: Path, trace: Path) -> None:
    """Integers and floats that NumPy has not: mapped as they lie, they would be other numbers."""
    with h5py.File(path, "w") as file:
        odd = h5py.h5t.STD_I32LE.copy()
        odd.set_precision(12)
        odd.set_offset(4)
        brain = h5py.h5t.IEEE_F32LE.copy()
        brain.set_fields(15, 7, 8, 0, 7)
        brain.set_size(2)
        brain.set_ebias(127)
        for name, kind in ((b"a", odd), (b"b", brain)):
            h5py.h5d.create(file.id, name, kind, h5py.h5s.create_simple((1000,))).write(
                h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1000, "i4" if name == b"a" else "f4")
            )


@h5
def _a_null_data_set(path: Path, trace: Path) -> None:
    """A data set without a shape."""
    with h5py.File(path, "w") as file:
        file["a"] = h5py.Empty("f4")


@h5
def _an_attribute_of_a_million_texts(path: Path, trace: Path) -> None:
    """Our own attribute, as an array that names one text of a megabyte a million times."""
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = np.ones(4, "f4")
        file.attrs.create("depthmap", ["x" * 1_000_000], (1,), h5py.string_dtype())
        attribute = h5py.h5a.create(file.id, b"more", h5py.h5t.C_S1.copy(), h5py.h5s.create_simple((1,)))
        del attribute
        file.attrs["depthmap"] = np.array(["x" * 1_000_000] * 200, dtype=h5py.string_dtype())


def _with_attribute(path: Path, text: Any) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = np.ones(4, "f4")
        file.attrs["depthmap"] = text


@h5
def _an_attribute_of_megabytes(path: Path, trace: Path) -> None:
    """Our own attribute, of 60 MB of nested lists."""
    _with_attribute(path, np.bytes_(b"[" + b"[]," * 20_000_000 + b"[]]"))


@h5
def _an_attribute_nested_without_end(path: Path, trace: Path) -> None:
    """Our own attribute, of lists a hundred thousand deep."""
    _with_attribute(path, np.bytes_(b"[" * 100_000))


@h5
def _an_attribute_that_is_no_text(path: Path, trace: Path) -> None:
    """Our own attribute, as an image."""
    _with_attribute(path, np.zeros((1000, 1000)))


@h5
def _an_attribute_of_bytes_that_are_no_text(path: Path, trace: Path) -> None:
    """Our own attribute, in no encoding."""
    _with_attribute(path, np.bytes_(b"\xff\xfe\x80"))


_SPECS: dict[str, Any] = {
    "numbers": 3,
    "a list": [1, 2],
    "no fields": {},
    "fields of other types": {"name": 3, "network": [], "input_size": "x", "resize": {}, "mean": 5, "std": None},
    "means that are no numbers": {"name": "x", "network": "depthmap_tiny", "input_size": 256, "resize": "upper_bound",
                                  "mean": [float("nan")] * 3, "std": [0, 0, 0]},
    "a network that is a list": {"name": "x", "network": ["depthmap_tiny"], "input_size": 256,
                                 "resize": "upper_bound", "mean": [0.5] * 3, "std": [0.5] * 3},
}  # fmt: skip


def _with_spec(spec: Any) -> Maker:
    def make(path: Path, trace: Path) -> None:
        from depthmap import formats

        from .doors import EMBEDDED_FILE

        formats.get("h5").save(formats.load(EMBEDDED_FILE), path, {"spec": spec})

    return make


for _name, _spec in _SPECS.items():
    add(
        f"an h5 whose spec is {_name}",
        "Sound tensors, described by nonsense.",
        ".h5",
        _with_spec(_spec),
        H5_DOORS,
    )


@h5
def _a_heap_that_never_ends(path: Path, trace: Path) -> None:
    """A text whose length, rounded up, is nothing: HDF5 steps from it to itself, for ever."""
    _with_attribute(path, json.dumps({"spec": {}}))
    _spoil_heap(path)


@h5
def _an_attribute_of_four_gigabytes(path: Path, trace: Path) -> None:
    """Our own attribute, as a text that says it has 4 GB, which HDF5 allocates before it looks."""
    with h5py.File(path, "w") as file:  # without checksums
        file["a"] = np.ones(4, "f4")
        file.attrs["depthmap"] = "x" * 77_777
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 77_777), struct.pack("<I", 2**32 - 2), 1))


@h5
def _a_virtual_data_set_whose_heap_never_ends(path: Path, trace: Path) -> None:
    """The same where HDF5 looks for the parts of a data set when it opens it."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other", "a", (4,))
    with h5py.File(path, "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)
    _spoil_heap(path)


def _spoil_heap(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    first = raw.index(b"GCOL") + 16
    raw[first + 8 : first + 16] = struct.pack("<Q", 2**64 - 16)
    path.write_bytes(raw)


@h5
def _no_more_than_a_signature(path: Path, trace: Path) -> None:
    """Eight bytes."""
    path.write_bytes(b"\x89HDF\r\n\x1a\n")


@h5
def _a_superblock_that_points_nowhere(path: Path, trace: Path) -> None:
    """Addresses of the root group beyond the file."""
    _sound(path)
    raw = bytearray(path.read_bytes())
    raw[12:44] = struct.pack("<4Q", *[2**63] * 4)
    path.write_bytes(raw)


def _damaged(seed: int) -> Maker:
    def make(path: Path, trace: Path) -> None:
        _sound(path)
        raw, numbers = bytearray(path.read_bytes()), random.Random(seed)
        for _ in range(1 + seed % 20):
            raw[numbers.randrange(min(len(raw), 4096))] = numbers.choice((0, 1, 0x7F, 0x80, 0xFF))
        path.write_bytes(raw)

    return make


for _seed in range(12):
    add(
        f"object headers damaged, {_seed}",
        "HDF5's own structures say nonsense.",
        ".h5",
        _damaged(_seed),
        H5_DOORS,
    )
