"""Digests of files: SHA-256 of the whole, and of each 1 MiB leaf, so that damage can be placed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hashlib import _Hash

LEAF = 1 << 20
_DIGEST = 32
_STRIDE = 16  # leaves a task: long enough that threads do not wait for each other

Tick = Callable[[int], None]
"""Called with the number of bytes just done."""


class Digest(NamedTuple):
    """``sha256`` in hex; ``leaves`` is the SHA-256 of each 1 MiB leaf, 32 bytes each, one after the other."""

    size: int
    sha256: str
    leaves: bytes


def _sha256(data: bytes | memoryview = b"") -> _Hash:
    import hashlib  # it loads OpenSSL, and the listing of an empty cache needs none

    return hashlib.sha256(data)


class Hasher:
    """Digests a stream as it comes by."""

    def __init__(self) -> None:
        self._whole = _sha256()
        self._leaf = _sha256()
        self._leaves = bytearray()
        self.size = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take in the next bytes."""
        view = memoryview(data)
        self._whole.update(view)
        while len(view):
            part = view[: LEAF - self.size % LEAF]
            self._leaf.update(part)
            self.size += len(part)
            view = view[len(part) :]
            if self.size % LEAF == 0:
                self._close_leaf()

    def _close_leaf(self) -> None:
        self._leaves += self._leaf.digest()
        self._leaf = _sha256()

    def digest(self) -> Digest:
        """Return the digest of everything taken in; the stream ends here."""
        if self.size % LEAF:
            self._close_leaf()
        return Digest(self.size, self._whole.hexdigest(), bytes(self._leaves))


def _blocks(path: Path, first: int, count: int) -> Iterator[memoryview]:
    """Yield leaves of a file in one buffer, which the next one overwrites: memory that is warm is hashed fastest."""
    buffer = memoryview(bytearray(LEAF))
    with path.open("rb", buffering=0) as file:
        file.seek(first * LEAF)
        for _ in range(count):
            filled = 0
            while filled < LEAF and (got := file.readinto(buffer[filled:])):
                filled += got
            yield buffer[:filled]


def _leaf_hashes(path: Path, first: int, count: int) -> bytes:
    return b"".join(_sha256(block).digest() for block in _blocks(path, first, count))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read in this thread; `digest_file` hashes the leaves besides."""
    digest = _sha256()
    for block in _blocks(path, 0, -(-path.stat().st_size // LEAF)):
        digest.update(block)
    return digest.hexdigest()


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leaves_of(path: Path, size: int, tick: Tick | None = None) -> bytes:
    """Return the leaf digests of the first ``size`` bytes of a file, hashed on all cores."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and listings need none

    count = -(-size // LEAF)
    tasks = [(first, min(_STRIDE, count - first)) for first in range(0, count, _STRIDE)]
    parts = []
    with ThreadPoolExecutor(_cores()) as pool:
        for (first, number), part in zip(
            tasks, pool.map(lambda t: _leaf_hashes(path, *t), tasks), strict=True
        ):
            parts.append(part)
            if tick:
                tick(min(number * LEAF, size - first * LEAF))
    return b"".join(parts)


def digest_file(path: Path, tick: Tick | None = None) -> Digest:
    """Read a file once from the disk and return its digest."""
    from concurrent.futures import ThreadPoolExecutor  # as above

    size = path.stat().st_size
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(sha256_of, path)
        leaves = leaves_of(path, size, tick)
        return Digest(size, whole.result(), leaves)


def damaged_leaves(path: Path, expected: bytes, size: int, tick: Tick | None = None) -> list[int]:
    """Return the numbers of the leaves of ``path`` whose digest is not the expected one."""
    actual = leaves_of(path, size, tick)
    pairs = zip(_split(actual), _split(expected), strict=True)
    return [number for number, (found, wanted) in enumerate(pairs) if found != wanted]


def expected_leaf(leaves: bytes, number: int) -> bytes:
    """Return the digest of one leaf, 32 bytes."""
    return leaves[number * _DIGEST : (number + 1) * _DIGEST]


def _split(leaves: bytes) -> list[bytes]:
    return [leaves[i : i + _DIGEST] for i in range(0, len(leaves), _DIGEST)]
