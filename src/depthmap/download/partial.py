"""A file that is being downloaded: the bytes so far, and a journal that tells what of them can be relied on."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..fetching import hide_login
from ..store import Digest, digest_file
from ..store.commit import allow_owner, writing
from ..store.digest import LEAF, expected_leaf, leaves_of

JOURNAL = ".journal"
"""What the journal's name has beyond that of the file."""
_SCHEMA = 1


class WrongLeaf(ValueError):
    """The bytes of a leaf are not those that its digest was recorded for."""


class Partial:
    """The file at ``path``, of ``size`` bytes (0: unknown) and digest ``sha256`` when it is whole.

    Its journal is lines of JSON, each written after the bytes it speaks of: what the file is to become, which
    URLs gave bytes and under which ETag, and the digest of each 1 MiB leaf that is there. A line that is torn, or
    that its leaf does not bear out, costs that leaf and nothing else: so neither file needs an fsync on the way, and
    a bit that flips in either is found. Only one process may have it open: the writers' lock of the model sees to it.
    """

    def __init__(self, path: Path, size: int, sha256: str) -> None:
        self.path = path
        self.size = size
        self.sha256 = sha256
        self.origins: dict[str, str] = {}
        """ETag ("": none that is strong) by the URL that gave bytes, without its login."""
        self.resumed = 0
        """Bytes that were there when it was opened."""
        self.parts = 0
        """Answers that gave bytes since it was opened or begun anew."""
        self.received = 0
        """Bytes that came from sources since it was opened."""
        self.expected = b""
        """The digests that the leaves must have, where they are known beforehand."""
        self._leaves: dict[int, str] = {}
        self._lock = threading.Lock()
        self._closed = False
        with writing(path.parent):
            self._recall()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            allow_owner(path)
            self._log = self._journal.open("ab", buffering=0)
            allow_owner(self._journal)
            os.ftruncate(self._file, size if self._leaves else 0)
            self._note(schema=_SCHEMA, size=size, sha256=sha256)
        self.resumed = self.done

    @property
    def _journal(self) -> Path:
        return self.path.with_name(self.path.name + JOURNAL)

    def _note(self, **facts: Any) -> None:
        # The line feed comes first, so that a line torn by a crash does not spoil the next.
        self._log.write(b"\n" + json.dumps(facts, separators=(",", ":")).encode())

    def _recall(self) -> None:
        """Take over what an earlier run left, as far as the bytes bear it out; nothing where the size is unknown."""
        if not self.size:
            return
        claimed: dict[int, str] = {}
        ours = True
        for entry in self._entries():
            if "schema" in entry:
                ours = (entry.get("size"), entry.get("sha256")) == (self.size, self.sha256)
            if not ours:
                claimed, self.origins = {}, {}  # what it says is of another file
            elif isinstance(entry.get("url"), str):
                self.origins[entry["url"]] = str(entry.get("etag", ""))
            elif isinstance(entry.get("leaf"), int) and entry["leaf"] >= 0:
                claimed[entry["leaf"]] = str(entry.get("digest"))
        self._leaves = self._borne_out(claimed)
        if not self._leaves:
            self.origins = {}

    def _entries(self) -> Iterator[dict[str, Any]]:
        with suppress(FileNotFoundError):
            for line in self._journal.read_bytes().splitlines():
                with suppress(ValueError, RecursionError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        yield entry

    def _borne_out(self, claimed: dict[int, str]) -> dict[int, str]:
        if not claimed or not self.path.is_file():
            return {}
        there = min(self.path.stat().st_size, self.size)
        actual = leaves_of(self.path, there)
        return {n: d for n, d in claimed.items() if d and expected_leaf(actual, n).hex() == d}

    # -- what is there --------------------------------------------------------------------------------------

    def _length(self, leaf: int) -> int:
        return min(LEAF, self.size - leaf * LEAF) if self.size else LEAF

    @property
    def done(self) -> int:
        """Bytes of the leaves that are there."""
        return sum(map(self._length, list(self._leaves)))

    @property
    def whole(self) -> bool:
        """Tell whether every leaf is there; never where the size is unknown."""
        return bool(self.size) and len(self._leaves) == -(-self.size // LEAF)

    @property
    def mixed(self) -> bool:
        """Tell whether bytes of several answers, or of an earlier run, are in it."""
        return bool(self.resumed) or self.parts > 1

    def lost(self) -> list[int]:
        """Return the numbers of the leaves that are not there."""
        return [leaf for leaf in range(-(-self.size // LEAF)) if leaf not in self._leaves]

    def missing(self) -> list[tuple[int, int | None]]:
        """Return the spans of bytes, from start to before end, that are not there; an end of None is unknown.

        Starts are at leaves' beginnings.
        """
        if not self.size:
            whole = next(n for n in range(len(self._leaves) + 1) if n not in self._leaves)
            return [(whole * LEAF, None)]
        spans: list[tuple[int, int | None]] = []
        for leaf in self.lost():
            start, end = leaf * LEAF, leaf * LEAF + self._length(leaf)
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        return spans

    # -- changing it ----------------------------------------------------------------------------------------

    def put(self, leaf: int, data: bytes | bytearray) -> bool:
        """Write a leaf and note that it is there; return whether other bytes were there.

        Raises
        ------
        InsufficientDiskSpace
            When the disk is full; what was there before still is.
        WrongLeaf
            When the leaf is not the expected one.
        """
        digest = hashlib.sha256(data).hexdigest()
        before = self._leaves.get(leaf)
        if before == digest:
            return False
        if self.expected and expected_leaf(self.expected, leaf).hex() != digest:
            raise WrongLeaf(f"its 1 MiB block {leaf} is not the recorded one")
        with self._lock, writing(self.path):
            if self._closed:  # a connection that was slow to hear that it is over
                raise ValueError("the partial file is closed")
            _write_all(self._file, data, leaf * LEAF)
            self._note(leaf=leaf, digest=digest)
            self._leaves[leaf] = digest
        return before is not None

    def forget(self, leaves: Iterable[int]) -> None:
        """Let leaves be missing again."""
        with self._lock, writing(self.path):
            for leaf in leaves:
                if self._leaves.pop(leaf, None):
                    self._note(leaf=leaf, digest="")

    def keep(self, leaves: Container[int]) -> None:
        """Let all other leaves be missing again."""
        self.forget([leaf for leaf in self._leaves if leaf not in leaves])

    def came_from(self, url: str, etag: str) -> None:
        """Note that bytes come from ``url``, whose login is nothing to note."""
        url = hide_login(url)
        with self._lock, writing(self.path):
            self.parts += 1
            if self.origins.get(url) != etag:
                self.origins[url] = etag
                self._note(url=url, etag=etag)

    def restart(self) -> None:
        """Forget every byte."""
        with self._lock, writing(self.path):
            os.ftruncate(self._file, 0)
            self._log.truncate(0)
            self._leaves, self.origins, self.expected = {}, {}, b""
            self.resumed = self.parts = 0
            self._note(schema=_SCHEMA, size=self.size, sha256=self.sha256)

    def digest(self) -> Digest:
        """Read the whole file back and return its digest."""
        return digest_file(self.path)

    def close(self) -> None:
        """Let the files go; they stay for a later run."""
        with self._lock:
            self._closed = True
            os.close(self._file)
            self._log.close()

    def discard_journal(self) -> None:
        """Remove the journal of a file that is whole."""
        self._journal.unlink(missing_ok=True)


def _write_all(file: int, data: bytes | bytearray, position: int) -> None:
    view = memoryview(data)
    if not hasattr(os, "pwrite"):  # Windows
        os.lseek(file, position, os.SEEK_SET)
        while view:
            view = view[os.write(file, view) :]
        return
    while view:
        count = os.pwrite(file, view, position)
        view, position = view[count:], position + count
