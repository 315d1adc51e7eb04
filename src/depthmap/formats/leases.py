"""Marks on files that are mapped, by which other processes can tell."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import BinaryIO

_TRIES = 5

if sys.platform == "win32":
    from .windows import is_open as is_mapped

    def lease(file: BinaryIO) -> None:
        """Do nothing: that the file is open is the mark."""

else:
    import fcntl

    def lease(file: BinaryIO) -> None:
        """Mark a file as in use. The mark is the open file's, which its mapping keeps: both go together."""
        for _ in range(_TRIES):
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody is asking `is_mapped` right now
                time.sleep(0.001)
            except OSError:  # a file system without locks: nobody can tell
                return
            else:
                return

    def is_mapped(path: Path) -> bool:
        """Tell whether some process, this one too, has leased a file; False where that cannot be told."""
        try:
            with path.open("rb") as file:
                try:
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        except OSError:
            pass
        return False


__all__ = ["is_mapped", "lease"]
