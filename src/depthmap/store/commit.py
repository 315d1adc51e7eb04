"""Files that appear whole or not at all, and system errors in our words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CacheNotWritable, InsufficientDiskSpace

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAKE_ROOM = (
    "Free some space ('depthmap models clear --model M' removes a model), or write to another disk "
    "(DEPTHMAP_CACHE_DIR moves the cache)."
)
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ELOOP}


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Translate what the system says of a write below ``place``.

    Raises
    ------
    InsufficientDiskSpace, CacheNotWritable
        In place of the OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise InsufficientDiskSpace(
                f"the disk is full ({error.strerror})",
                place,
                _MAKE_ROOM,
            ) from error
        if error.errno in _NO_ACCESS:
            raise CacheNotWritable(
                f"{error.strerror or error}",
                error.filename or place,
                "Check its owner and permissions, or choose another place with --cache-dir or DEPTHMAP_CACHE_DIR.",
            ) from error
        raise


def ensure_directory(path: Path) -> Path:
    """Make a directory and its parents; return it.

    Raises
    ------
    CacheNotWritable
        When it cannot be made, or is a file.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def require_space(directory: Path, nbytes: int) -> None:
    """Check that the disk of ``directory`` has room for ``nbytes``.

    Raises
    ------
    InsufficientDiskSpace
        With what is needed and what there is, in MB.
    """
    import shutil  # slow to import, and listings need none

    existing = next(p for p in (directory, *directory.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    if free < nbytes:
        raise InsufficientDiskSpace(
            f"{nbytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
            directory,
            _MAKE_ROOM,
        )


@contextmanager
def staged(directory: Path, name: str) -> Iterator[Path]:
    """Yield a path in ``directory`` that no other writer has; whatever is left there at the end is removed."""
    path = ensure_directory(directory) / f"{name}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with writing(directory):
            yield path
    finally:
        with suppress(OSError):
            path.unlink()


def publish(source: Path, target: Path) -> None:
    """Make ``source`` appear as ``target``, whole: fsync, rename, fsync of the directory.

    A file that others have mapped under the target's name stays theirs, unchanged, until they let it go.
    """
    with writing(target.parent):
        _sync(source, os.O_RDWR)
        os.replace(source, target)
        _sync_directory(target.parent)


def write_bytes(target: Path, data: bytes, staging: Path) -> None:
    """Write a small file whole or not at all."""
    with staged(staging, target.name) as temporary:
        temporary.write_bytes(data)
        publish(temporary, target)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    if os.name == "posix":  # Windows cannot open directories; its renames are journalled
        _sync(path, os.O_RDONLY)
