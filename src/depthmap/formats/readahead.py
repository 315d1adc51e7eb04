"""A file's pages brought into memory before they are needed, by a thread beside. Knows neither torch nor NumPy.

To a disk that reads 1 GB/s, a model of 1.4 GB is a second and a half: about what it takes to import torch. So whoever
knows which file it will be calls `read_ahead` first, and imports torch then. Tensors lie in their files in the order in
which the network runs, so the file is read from its beginning to its end.

Pages are populated, not only asked for: so Linux reads them in pieces of up to 2 MiB, at a seventh of the work, and
later enters each in a page table as one. Systems without that are told what will be needed, as far as they listen.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from ..errors import FileError
from .opening import identity, open_regular

_WINDOW = 256 << 20
"""Bytes of a mapping of others to populate at a time: as long it is kept alive."""
_SAMPLES = 64
_POPULATE_READ = 22
"""madvise: read the pages, and enter them in the page table. It says EFAULT where touching them would be SIGBUS."""
_PATIENCE = 60.0
"""Seconds to wait for the mapping, after the file was read."""


class _Wanted:
    """A file that is read ahead, and the mapping of it as soon as there is one."""

    def __init__(self, path: Path, populate: bool) -> None:
        self.path = path
        self.populate = populate
        self._mapping: weakref.ref[mmap.mmap] | None = None
        self._known = threading.Event()

    def tell(self, mapping: mmap.mmap) -> None:
        """Say which mapping is to be populated. It is not kept alive."""
        self._mapping = weakref.ref(mapping)
        self._known.set()

    def run(self) -> None:
        """Read the file, then populate the mapping."""
        with suppress(OSError, ValueError, FileError):  # ValueError: it became shorter
            _cache(self.path)
        if self.populate and self._known.wait(_PATIENCE) and self._mapping:
            with suppress(OSError, ValueError):  # ValueError: it was closed
                _populate(self._mapping)


_wanted: dict[tuple[int, ...], _Wanted] = {}
"""What is read ahead now, by the file's identity."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_wanted.clear)  # the threads stay with the parent


def read_ahead(path: Path, *, populate: bool = False) -> None:
    """Begin to bring a file into the page cache, and return at once.

    With ``populate`` its mapping too, once `mapping.map_tensors` has made one, gets the pages entered in its page
    table, so that nobody waits for them at the first use. What can go wrong costs the advantage alone: nothing is
    raised. Where all is in the page cache already it takes a millisecond.
    """
    if not hasattr(mmap.mmap, "madvise"):  # Windows
        return
    try:
        status = os.stat(path)
    except OSError:
        return
    key, wanted = identity(status), _Wanted(path, populate)
    if _wanted.setdefault(key, wanted) is wanted:
        try:
            threading.Thread(target=_run, args=(key, wanted), name="read-ahead", daemon=True).start()
        except RuntimeError:  # the system lets no more threads begin, or the interpreter ends
            _wanted.pop(key, None)


def mapped(status: os.stat_result, mapping: mmap.mmap) -> None:
    """Tell that the file of this status was mapped."""
    if wanted := _wanted.get(identity(status)):
        wanted.tell(mapping)


def _run(key: tuple[int, ...], wanted: _Wanted) -> None:
    try:
        wanted.run()
    finally:
        _wanted.pop(key, None)


def _cache(path: Path) -> None:
    """Bring a file in, unless it is in the page cache."""
    with open_regular(path) as file:
        descriptor, size = file.fileno(), os.fstat(file.fileno()).st_size
        if not _is_cached(descriptor, size):
            # In one call: after each the thread would wait for the GIL, 5 ms while others import.
            with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as mapping:
                _bring(mapping, 0, size)


def _is_cached(descriptor: int, size: int) -> bool:
    """Tell whether a file is in the page cache, by some of its pages; False where that cannot be told."""
    try:
        for position in range(0, size, -(-size // _SAMPLES) or 1):
            os.preadv(descriptor, [bytearray(1)], position, os.RWF_NOWAIT)
    except (OSError, AttributeError):  # BlockingIOError: it is not; others: the file system cannot tell
        return False
    return True


def _populate(mapping: weakref.ref[mmap.mmap]) -> None:
    """Populate a mapping, window by window, for as long as others hold it."""
    start = 0
    while _populate_window(mapping(), start):
        start += _WINDOW


def _populate_window(mapping: mmap.mmap | None, start: int) -> bool:
    """Populate one window; return whether there is another."""
    if mapping is None or start >= len(mapping):
        return False
    return _bring(mapping, start, min(_WINDOW, len(mapping) - start))


def _bring(mapping: mmap.mmap, start: int, length: int) -> bool:
    """Have these pages of a mapping in memory; return whether they could be had."""
    failure = _madvise(mapping, start, length) if sys.platform == "linux" else errno.EINVAL
    if failure == errno.EINVAL:  # another system, or an older Linux
        mapping.madvise(mmap.MADV_WILLNEED, start, length)
    return failure in (0, errno.EINVAL)


def _madvise(mapping: mmap.mmap, start: int, length: int) -> int:
    """Return what ``madvise`` says: 0, or the number of the error. `mmap.madvise` would hold the GIL meanwhile."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping)) + start
    failed = libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _POPULATE_READ)
    return ctypes.get_errno() if failed else 0
