"""Pickles and zip archives written by hand, so that they can say what no library would write."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def body(value: Any) -> bytes:
    """Return the instructions that make a builtin value."""
    return pickle.dumps(value, 2)[2:-1]


def uni(text: str) -> bytes:
    """Return BINUNICODE."""
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def call(name: str, *arguments: bytes) -> bytes:
    """Return GLOBAL and REDUCE of ``module.name``."""
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n(".encode() + b"".join(arguments) + b"tR"


def mapping(items: Mapping[str, bytes]) -> bytes:
    """Return the instructions that make a dictionary of values that are instructions."""
    return b"}(" + b"".join(uni(key) + value for key, value in items.items()) + b"u"


def storage(key: Any = "0", kind: str = "FloatStorage", elements: Any = 4, *more: bytes) -> bytes:
    """Return a reference to a storage."""
    place = key if isinstance(key, bytes) else body(key)
    return (
        (b"(" + uni("storage") + f"ctorch\n{kind}\n".encode() + place + uni("cpu") + body(elements))
        + b"".join(more)
        + b"tQ"
    )


def tensor(shape: Any = (4,), strides: Any = (1,), offset: Any = 0, kept: bytes | None = None) -> bytes:
    """Return the instructions that make a tensor that claims what it likes."""
    parts = (value if isinstance(value, bytes) else body(value) for value in (offset, shape, strides))
    hooks = call("collections.OrderedDict")
    return call(
        "torch._utils._rebuild_tensor_v2", storage() if kept is None else kept, *parts, b"\x89", hooks
    )


def whole(instructions: bytes) -> bytes:
    """Return a pickle of protocol 2."""
    return b"\x80\x02" + instructions + b"."


@dataclass
class Record:
    """A record of a zip archive; what is not None is written in place of the truth."""

    name: bytes
    data: bytes
    flags: int = 0
    method: int = 0
    length: int | None = None
    packed: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    extra: bytes = b""


def archive(records: Sequence[Record], **end: Any) -> bytes:
    """Return a zip archive; ``entries``, ``offset``, ``comment`` and ``size`` lie about its directory."""
    out, directory = b"", b""
    for r in records:
        crc, length = zlib.crc32(r.data), len(r.data) if r.length is None else r.length
        packed = len(r.data) if r.packed is None else r.packed
        offset = len(out) if r.offset is None else r.offset
        sizes = struct.pack("<HHHLLL", r.method, 0, 0, crc, packed, length)
        local = r.name if r.local_name is None else r.local_name
        out += b"PK\x03\x04" + struct.pack("<HH", 20, r.flags) + sizes + struct.pack("<HH", len(local), 0)
        out += local + r.data
        directory += b"PK\x01\x02" + struct.pack("<HHH", 20, 20, r.flags) + sizes
        directory += struct.pack("<HHHHHLL", len(r.name), len(r.extra), 0, 0, 0, 0, offset) + r.name + r.extra
    entries = end.get("entries", len(records))
    comment = end.get("comment", b"")
    place = (end.get("size", len(directory)), end.get("offset", len(out)), len(comment))
    return out + directory + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, entries, entries, *place) + comment


def checkpoint(content: bytes, data: bytes = bytes(16), *more: Record, **end: Any) -> bytes:
    """Return a checkpoint as torch writes them, of a pickle and one storage."""
    return archive([Record(b"x/data.pkl", content), Record(b"x/data/0", data), *more], **end)


def old_checkpoint(content: bytes, keys: bytes | None = None, storages: bytes | None = None) -> bytes:
    """Return a checkpoint as torch before 1.6 wrote them."""
    system = whole(body({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}))
    keys = whole(body(["0"])) if keys is None else keys
    storages = struct.pack("<q4f", 4, 1, 2, 3, 4) if storages is None else storages
    return LEGACY_MAGIC + whole(body(1001)) + system + content + keys + storages
