"""Files that appear whole or not at all, and system errors in our words."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CacheNotReadable, CacheNotWritable, InsufficientDiskSpace

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAKE_ROOM = (
    "Free some space ('depthmap models clear --model M' removes a model), or use another disk "
    "(set DEPTHMAP_CACHE_DIR)."
)
_LONGEST_NAME = 120
_SILENCE = 600
"""Seconds in which a writer that lives has written something."""
_STAGED = re.compile(r".*\.(\d{1,10})-[0-9a-f]{8}")
_NO_ACCESS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EIO,
}  # fmt: skip


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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate what the system says of a file of the cache that may not be read.

    Raises
    ------
    CacheNotReadable
        In place of the PermissionError.
    """
    try:
        yield
    except PermissionError as error:
        raise CacheNotReadable(
            f"{error.strerror or error}",
            error.filename or path,
            "Give yourself access to it (chmod u+r, chown), or choose another cache with --cache-dir.",
        ) from error


def is_file(path: Path) -> bool:
    """Tell whether there is a file; False too where the system will not say: no access, a name too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def ensure_directory(path: Path) -> Path:
    """Make a directory and its parents; return it. Its owner may use it, whatever the umask says.

    Raises
    ------
    CacheNotWritable
        When it cannot be made, or is a file.
    """
    with writing(path):
        if not path.is_dir():
            ensure_directory(path.parent)
            path.mkdir(exist_ok=True)
            _grant(path, stat.S_IRWXU)
    return path


def allow_owner(path: Path) -> None:
    """Let the owner of a file read and write it, whatever the umask was when it was made."""
    _grant(path, stat.S_IRUSR | stat.S_IWUSR)


def _grant(path: Path, bits: int) -> None:
    """Add permissions that an odd umask took from the owner."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & bits != bits:
        path.chmod(mode | bits)


def free_space(directory: Path) -> int:
    """Return the free bytes of the disk that ``directory`` is on, or will be.

    Raises
    ------
    CacheNotWritable
        When there can be no such directory.
    """
    import shutil  # slow to import, and listings need none

    with writing(directory):
        existing = next(p for p in (directory, *directory.parents) if p.exists())
        return shutil.disk_usage(existing).free


def require_space(directory: Path, nbytes: int) -> None:
    """Check that the disk of ``directory`` has room for ``nbytes``.

    Raises
    ------
    InsufficientDiskSpace
        With what is needed and what there is, in MB.
    """
    free = free_space(directory)
    if free < nbytes:
        raise InsufficientDiskSpace(
            f"{nbytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
            directory,
            _MAKE_ROOM,
        )


@contextmanager
def staged(directory: Path, name: str) -> Iterator[Path]:
    """Yield a path in ``directory`` that no other writer has; whatever is left there at the end is removed."""
    # The name is cut, so that one near the longest that a disk allows leaves room for what is added.
    path = ensure_directory(directory) / _owned(name[:_LONGEST_NAME], os.getpid())
    try:
        with writing(directory):
            yield path
    finally:
        with suppress(OSError):
            path.unlink()


def _owned(name: str, owner: int) -> str:
    return f"{name}.{owner}-{os.urandom(4).hex()}"


def forsaken(name: str) -> str:
    """Return a file name of which `is_forsaken` is true at once: no process has the number 0."""
    return _owned(name, 0)


def is_forsaken(path: Path) -> bool:
    """Tell whether a file is one that `staged` gave to another process, which holds it no longer if it took a lock."""
    match = _STAGED.fullmatch(path.name)
    return match is not None and int(match[1]) != os.getpid()


def sweep_staged(directory: Path, name: str) -> None:
    """Remove what writers that were killed left of what `staged` gave them, where no lock tells that they are gone."""
    for path in directory.iterdir():
        if path.name.rpartition(".")[0] == name[:_LONGEST_NAME] and _STAGED.fullmatch(path.name):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _SILENCE:
                    path.unlink()


def publish(source: Path, target: Path) -> None:
    """Make ``source`` appear as ``target``, whole: fsync, rename, fsync of the directory.

    A file that others have mapped under the target's name stays theirs, unchanged, until they let it go.
    """
    settle(source)
    with writing(target.parent):
        os.replace(source, target)
        _sync_directory(target.parent)


def settle(path: Path) -> None:
    """See that a file's bytes are on the disk, and that its owner may read it."""
    with writing(path):
        allow_owner(path)
        _sync(path, os.O_RDWR)


def link(existing: Path, target: Path) -> bool:
    """Let ``target`` be another name of the file ``existing``, in place of what it was; return whether it could be.

    Files of the cache are replaced, never changed, so two names may share one.
    """
    beside = target.with_name(f"{target.name}-{os.urandom(4).hex()}")
    try:
        os.link(existing, beside)
    except OSError:  # the disk has no hard links, or two disks are meant, or the file is somebody else's
        return False
    with writing(target):
        os.replace(beside, target)
    return True


def remove(path: Path) -> bool:
    """Unlink a file, if it is there; return whether it was.

    Raises
    ------
    CacheNotWritable
        When it cannot be.
    """
    with writing(path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
    return True


def write_bytes(target: Path, data: bytes, staging: Path, *, durable: bool = True) -> None:
    """Write a small file whole or not at all; one that is not ``durable`` may be lost when the power fails."""
    with staged(staging, target.name) as temporary:
        temporary.write_bytes(data)
        if durable:
            publish(temporary, target)
        else:
            os.replace(temporary, target)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    if os.name == "posix":  # Windows cannot open directories; its renames are journalled
        _sync(path, os.O_RDONLY)
