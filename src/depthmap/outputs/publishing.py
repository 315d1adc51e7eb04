"""Writing an output whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import IO, TypeAlias

from ..errors import DepthmapError, ExportError, InsufficientDiskSpace, UsageError

Target: TypeAlias = str | PathLike[str] | IO[bytes]
"""A path, or a binary stream that is open for writing."""
Encode: TypeAlias = Callable[[IO[bytes]], None]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDIES = {
    errno.ENOENT: "Create the directory first.",
    errno.ENOTDIR: "A part of the path is a file: give another path.",
    errno.EISDIR: "The path is a directory: add a file name.",
    errno.EACCES: "Choose a directory that you may write to.",
    errno.EPERM: "Choose a directory that you may write to.",
    errno.EROFS: "The disk is read-only: choose another.",
    errno.ENAMETOOLONG: "Give a shorter name.",
}


_staging = threading.local()


@contextlib.contextmanager
def staged_in(folder: Path) -> Iterator[None]:
    """Let this thread write files in a folder of the same file system first: a kill leaves pieces only there."""
    _staging.folder = folder
    try:
        yield
    finally:
        _staging.folder = None


def publish(target: Target, encode: Encode) -> None:
    """Let ``encode`` write an output to a path or a stream.

    A path gets the whole output or stays as it was, also when the process is killed or the power fails: the
    bytes go to a hidden file in the same directory, which is renamed when they are on the disk. Links are
    followed. Pipes, devices and streams get everything at once after it has been encoded; streams stay open.

    Raises
    ------
    ExportError
        When the target cannot be written.
    InsufficientDiskSpace
        When the disk, a quota or a limit of file sizes leaves too little room.
    UsageError
        When the stream takes text.
    """
    where = target if isinstance(target, (str, PathLike)) else getattr(target, "name", "stream")
    try:
        if not isinstance(target, (str, PathLike)):
            _to_stream(target, encode)
        elif Path(target).exists() and not Path(target).is_file():
            with Path(target).open("wb", buffering=0) as stream:
                _to_stream(stream, encode)
        else:
            _to_file(Path(os.path.realpath(target)), encode)
    except BrokenPipeError:
        raise  # whoever reads has enough: no fault of the target's
    except OSError as error:
        raise explained(error, where) from error


def _to_file(path: Path, encode: Encode) -> None:
    folder: Path = getattr(_staging, "folder", None) or path.parent
    partial = folder / f".{secrets.token_hex(8)}.part"
    try:
        with partial.open("xb") as stream:
            encode(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):  # as a rule it has been renamed
            partial.unlink()


def _to_stream(stream: IO[bytes], encode: Encode) -> None:
    buffer = io.BytesIO()  # pipes cannot seek, and unbuffered ones may take a part only
    encode(buffer)
    rest = buffer.getbuffer()
    while rest:
        try:
            written = stream.write(rest)
        except TypeError as error:
            raise UsageError(
                f"The stream takes no bytes: {error}",
                remedy="Give sys.stdout.buffer or a file opened with 'wb'.",
            ) from error
        rest = rest[written if isinstance(written, int) else len(rest) :]
    stream.flush()


def explained(error: OSError, where: object) -> DepthmapError:
    """Return the error for what the system says of a write: what it is, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return InsufficientDiskSpace(
            f"The output was not written: {reason}", where, "Free some, or write elsewhere."
        )
    remedy = _REMEDIES.get(error.errno or 0, "Write elsewhere.")
    return ExportError(f"The output was not written: {reason}", where, remedy)
