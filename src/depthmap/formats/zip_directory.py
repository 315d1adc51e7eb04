"""The directory of a zip archive, as strict as torch writes it: stored records, each under one name, none overlapping.

Readers of zip files differ on duplicate names, on records that overlap, and on which of two directories counts; a file
on which they could differ is refused here, so that what was checked is what everybody else reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import UnsafeFile
from .opening import read_exactly
from .tensors import MAX_TENSORS

MAGIC = b"PK\x03\x04"
_MAX_BYTES = 16 << 20
_END = struct.Struct("<4sHHHHLLH")
_END_64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s4xHH8xLLHHHHxx4xL")
_LOCAL = struct.Struct("<4s22xHH")
_EXTRA = struct.Struct("<HH")
_ENCRYPTED = 0x2041
_ELSEWHERE = 0xFFFFFFFF  # a 32-bit field whose value stands in the zip64 extra field


class Record(NamedTuple):
    """Where the data of a record lie: ``start`` is their first byte in the file."""

    start: int
    length: int


class _Directory(NamedTuple):
    entries: int
    offset: int
    raw: bytes


def records(file: BinaryIO, size: int, path: Path) -> dict[str, Record]:
    """Return the records of an archive of ``size`` bytes by name.

    Raises
    ------
    UnsafeFile
        When a record is compressed or encrypted.
    ValueError, struct.error, IndexError
        When the directory is damaged, or ambiguous.
    """
    directory = _directory(file, size)
    found: dict[str, Record] = {}
    spans = [(directory.offset, directory.offset)]
    for name, header, length in _entries(directory, path):
        record = Record(_data_start(file, name, header), length)
        if found.setdefault(name.decode(), record) is not record:
            raise ValueError("two records have the same name")
        spans.append((header, record.start + length))
    behind = max(end for _, end in spans) > directory.offset
    if behind or any(end > following for (_, end), (following, _) in pairwise(sorted(spans))):
        raise ValueError("records overlap")
    return found


def _directory(file: BinaryIO, size: int) -> _Directory:
    """Return the directory, which must end where the end record begins, which must end the file."""
    end = size - _END.size
    signature, disk, first, here, entries, length, offset, comment = _END.unpack(
        read_exactly(file, end, _END.size)
    )
    if signature != b"PK\x05\x06" or disk or first or here != entries or comment:
        raise ValueError("it does not end like an archive")
    locator = read_exactly(file, end - _LOCATOR_64.size, _LOCATOR_64.size)
    if locator.startswith(b"PK\x06\x07"):  # torch writes one for small archives too
        end, entries, length, offset = _directory_64(file, locator, end - _LOCATOR_64.size - _END_64.size)
    if offset + length != end or length > _MAX_BYTES or entries > MAX_TENSORS:
        raise ValueError("its directory is not where it should be, or too large")
    return _Directory(entries, offset, read_exactly(file, offset, length))


def _directory_64(file: BinaryIO, locator: bytes, end: int) -> tuple[int, int, int, int]:
    """Return where the zip64 end record begins, and its entries, length and offset."""
    _, _, start, _ = _LOCATOR_64.unpack(locator)
    signature, _, _, _, _, _, here, entries, length, offset = _END_64.unpack(
        read_exactly(file, end, _END_64.size)
    )
    if start != end or signature != b"PK\x06\x06" or here != entries:
        raise ValueError("its zip64 directory is damaged")
    return end, entries, length, offset


def _entries(directory: _Directory, path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, offset of the record's header, length of its data)."""
    raw, at = directory.raw, 0
    for _ in range(directory.entries):
        signature, flags, method, packed, length, names, extras, comments, disk, header = _ENTRY.unpack_from(
            raw, at
        )
        if signature != b"PK\x01\x02" or disk:
            raise ValueError("an entry of its directory is damaged")
        at += _ENTRY.size
        name, extra = raw[at : at + names], raw[at + names : at + names + extras]
        at += names + extras + comments
        length, packed, header = _wide(extra, length, packed, header)
        if method or flags & _ENCRYPTED or packed != length:
            raise UnsafeFile(
                "its records are compressed or encrypted, which torch never writes",
                path,
                "Save it again with torch.save.",
            )
        yield name, header, length
    if at != len(raw):
        raise ValueError("the length of its directory does not match its entries")


def _wide(extra: bytes, *values: int) -> list[int]:
    """Return length, packed length and offset, taken from the zip64 extra field where they did not fit."""
    if _ELSEWHERE not in values:
        return list(values)
    at = 0
    while at < len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        if kind == 1:
            wide = list(struct.unpack_from(f"<{length // 8}Q", extra, at + _EXTRA.size))
            return [wide.pop(0) if value == _ELSEWHERE else value for value in values]
        at += _EXTRA.size + length
    raise ValueError("a zip64 field is missing")


def _data_start(file: BinaryIO, name: bytes, header: int) -> int:
    """Return where a record's data begin, which only the header before them says."""
    raw = read_exactly(file, header, _LOCAL.size + len(name))
    signature, names, extras = _LOCAL.unpack_from(raw)
    if signature != MAGIC or names != len(name) or raw[_LOCAL.size :] != name:
        raise ValueError("a record's header is not the one that the directory names")
    return header + len(raw) + int(extras)
