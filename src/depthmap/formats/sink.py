"""A file for libraries that do not survive a full disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class Sink:
    """A file that takes every write, and remembers the first that failed.

    HDF5 ends the process when its own file can no longer be closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = self._size = 0
        self.failure: OSError | None = None

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write at the position; return the number of bytes, also where the disk did not take them."""
        view = memoryview(data).cast("B")
        if self.failure is None:
            try:
                self._write(view)
            except OSError as error:
                self.failure = error
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def _write(self, view: memoryview) -> None:
        self._file.seek(self._position)
        while view:
            view = view[self._file.write(view) :]

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read back what was written; where the disk did not take it, zeros."""
        view = memoryview(buffer).cast("B")
        if self.failure:
            view[:] = bytes(len(view))
            return len(view)
        self._file.seek(self._position)
        count = self._file.readinto(view)  # type: ignore[attr-defined]  # typeshed has it for raw files only
        self._position += len(view)
        return int(count)

    def read(self, size: int) -> bytes:
        """Read back what was written."""
        data = bytearray(size)
        return bytes(data[: self.readinto(data)])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def truncate(self, size: int) -> int:
        """Make the file so long."""
        if self.failure is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self.failure = error
        self._size = size
        return size

    def flush(self) -> None:
        """Do nothing: writes are not held back."""


@contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """Yield a new file to write to; raise in the end what its first failed write raised.

    Raises
    ------
    OSError
        When the file cannot be made or written.
    """
    with path.open("w+b", buffering=0) as file:
        taken = Sink(file)
        try:
            yield taken
        finally:
            if taken.failure:
                raise taken.failure
