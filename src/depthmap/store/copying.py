"""A file of another cache, made ours."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .commit import require_space, writing

_AT_ONCE = 1 << 30
"""Bytes asked of the system in one call."""


def link_or_copy(source: Path, target: Path) -> str:
    """Make ``target``, which is not there yet, hold the bytes of ``source``; return "linked" or "copied".

    A hard link comes first: it takes no room and no time, and stays when the other name is removed. It shares owner
    and permissions with the other name, so a file that may not be written is not linked: the cache would have to
    change them. Next the system is asked to copy, since it shares the blocks where the file system can (a reflink),
    and elsewhere spares the bytes the way through this process. What is left is reading and writing.

    Raises
    ------
    InsufficientDiskSpace, CacheNotWritable
        When there is no room for a copy, or it cannot be written; nothing is left at ``target`` then.
    """
    source = Path(os.path.realpath(source))  # a link to a link is no copy of the file
    with writing(target):
        if _link(source, target):
            return "linked"
        require_space(target.parent, source.stat().st_size)
        try:
            _copy(source, target)
        except BaseException:
            with suppress(OSError):
                target.unlink()
            raise
    return "copied"


def _link(source: Path, target: Path) -> bool:
    if not os.access(source, os.W_OK):
        return False
    try:
        os.link(source, target)
    except (
        OSError
    ):  # two disks, or one without hard links, or a file that the system lets only its owner link
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    if not _copy_by_system(source, target):
        import shutil  # slow to import, and listings need none

        shutil.copyfile(source, target)


def _copy_by_system(source: Path, target: Path) -> bool:
    """Copy with copy_file_range; return whether the system has it for these two places."""
    if not hasattr(os, "copy_file_range"):
        return False
    size = source.stat().st_size
    with source.open("rb") as reading, target.open("wb") as written:
        done = 0
        while done < size:
            try:
                count = os.copy_file_range(reading.fileno(), written.fileno(), _AT_ONCE)
            except OSError:
                if done:
                    raise
                return False
            if not count:  # some systems say so where they cannot; and the file may have become shorter
                return False
            done += count
    return True
