"""A zip archive as torch writes it: stored records, the data of each aligned to 64 bytes, sizes of any length.

What `zip_directory` reads. All times are zero, so equal records make equal archives.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from .sink import Sink

ALIGNMENT = 64
_BLOCK = 4 << 20
_LOCAL = struct.Struct("<4s2xHH4x12xHH")
_ENTRY = struct.Struct("<4s4xHH4xLLLHH10xL")
_SIZES, _SIZES_64 = struct.Struct("<4sLLL"), struct.Struct("<4sLQQ")
_END = struct.Struct("<4s4xHHLL2x")
_END_64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR_64 = struct.Struct("<4sLQL")
_UTF8, _SIZES_FOLLOW = 0x800, 0x8
_ELSEWHERE = 0xFFFFFFFF
_VERSIONS = 0x031E, 45


class Archive:
    """Writes records into ``file``, each under ``name`` and a slash, and in the end the directory."""

    def __init__(self, file: Sink, name: str) -> None:
        self._file = file
        self._prefix = f"{name}/"
        self._at = 0
        self._entries: list[bytes] = []
        self.digest = 0
        """What torch makes of the checksums of the records so far, for its ``serialization_id``."""

    def add(self, name: str, data: Any) -> None:
        """Write a record: a flat buffer of bytes.

        Raises
        ------
        OSError
            When the disk has not taken it.
        """
        title, view, start = (self._prefix + name).encode(), memoryview(data), self._at
        size = view.nbytes
        flags = _UTF8 | (_SIZES_FOLLOW if size else 0)
        wide = _wide(start, size, 0)
        padding = _padding(start + _LOCAL.size + len(title) + len(wide))
        extra = wide + padding
        self._put(_LOCAL.pack(b"PK\x03\x04", flags, 0, len(title), len(extra)) + title + extra)
        checksum = 0
        for block in _blocks(view):
            checksum = zlib.crc32(block, checksum)
            self._put(block)
        if size:
            self._put((_SIZES_64 if wide else _SIZES).pack(b"PK\x07\x08", checksum, size, size))
            self.digest = _combined(self.digest, checksum)
        shown = min(size, _ELSEWHERE)
        wide = _wide(start, size, size)
        entry = _ENTRY.pack(
            b"PK\x01\x02", flags, 0, checksum, shown, shown, len(title), len(wide), min(start, _ELSEWHERE)
        )
        self._entries.append(entry + title + wide)

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self._entries)

    def close(self) -> None:
        """Write the directory.

        Raises
        ------
        OSError
            When the disk has not taken it.
        """
        start, count = self._at, len(self._entries)
        directory = b"".join(self._entries)
        end = start + len(directory)
        length = _END_64.size - 12  # of what follows the field
        self._put(directory)
        self._put(_END_64.pack(b"PK\x06\x06", length, *_VERSIONS, 0, 0, count, count, len(directory), start))
        self._put(_LOCATOR_64.pack(b"PK\x06\x07", 0, end, 1))
        few = min(count, 0xFFFF)
        self._put(_END.pack(b"PK\x05\x06", few, few, len(directory), min(start, _ELSEWHERE)))

    def _put(self, raw: bytes | memoryview) -> None:
        self._at += self._file.write(raw)
        if self._file.failure:
            raise self._file.failure


def _blocks(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, view.nbytes, _BLOCK):
        yield view[start : start + _BLOCK]


def _wide(start: int, size: int, packed: int) -> bytes:
    """Return the zip64 extra field, which has what does not fit the fields of 32 bits; empty where all fits."""
    values = [size, packed] if size >= _ELSEWHERE else []
    values += [start] if start >= _ELSEWHERE else []
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""


def _padding(position: int) -> bytes:
    """Return an extra field, to be written at ``position``, after which the data are aligned."""
    length = -(position + 4) % ALIGNMENT
    return b"FB" + length.to_bytes(2, "little") + b"Z" * length


def _combined(digest: int, checksum: int) -> int:
    """Return torch's ``hash_combine``."""
    return digest ^ (checksum + 0x9E3779B9 + (digest << 6) + (digest >> 2)) & 0xFFFFFFFFFFFFFFFF
