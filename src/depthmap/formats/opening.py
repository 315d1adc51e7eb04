"""Opening files that may be anything: only regular ones are read, and no open ever waits."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from ..errors import ModelFileCorrupted, UnrecognisedFile

if sys.platform == "win32":
    from .windows import open_shared
else:

    def open_shared(path: Path) -> int:
        """Return a descriptor to read a file with; of a FIFO too, without waiting for its other end."""
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading, unbuffered, for as long as the context lasts.

    Raises
    ------
    UnrecognisedFile
        When it is a directory, a FIFO, a device, a socket, or a link that leads back to itself.
    ModelFileCorrupted
        When the disk cannot read it, in the context too.
    OSError
        When the system does not let it be opened, `FileNotFoundError` among them.
    """
    try:
        with _open(path) as file:
            yield file
    except OSError as error:
        if error.errno == errno.ELOOP:
            _refuse(path)
        if error.errno != errno.EIO:
            raise
        raise ModelFileCorrupted(
            "the disk cannot read it", path, "Get the file again, and check the disk."
        ) from error


def _open(path: Path) -> BinaryIO:
    _require_regular(os.stat(path), path)  # first, since to open some devices is to act on them
    descriptor = open_shared(path)
    try:
        _require_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file from others, from one written over it, and from a later one that got its inode."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_small(path: Path, limit: int) -> bytes:
    """Return the content of a regular file that has at most ``limit`` bytes.

    Raises
    ------
    ModelFileCorrupted
        When it has more.
    UnrecognisedFile, OSError
        See `open_regular`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > limit else read_exactly(file, 0, size)
    if size > limit:
        raise ModelFileCorrupted(
            f"it has {size} bytes; {limit} are more than enough", path, "Use another file."
        )
    return data


def read_exactly(file: BinaryIO, start: int, length: int) -> bytes:
    """Return ``length`` bytes from ``start`` on; fewer where the file ends, none where it has no such place."""
    if not 0 <= start < 1 << 63:
        return b""
    file.seek(start)
    parts = []  # an unbuffered read may give fewer than asked for
    while length and (part := file.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _require_regular(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        _refuse(path)


def _refuse(path: Path) -> NoReturn:
    raise UnrecognisedFile("This is not a regular file", path, "Name a file that holds a model.")
