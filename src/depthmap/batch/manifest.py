"""Which pictures are done, so that a run that was killed goes on where it was.

A picture is known by its path within its source and the settings (the model's digest, outputs, options). For each the
manifest holds the picture's tag, as its file's stamp or a store's ETag, and the SHA-256 of its bytes. While the tag
is the same, nothing is read; where it changed, the bytes are, and only other bytes are done again. A copy, or a file
that was touched, costs a read and no more.

It is an SQLite file: rows are looked up by a key, so memory does not grow with them, and its journal makes a row
whole or absent, whenever the process is killed. A log of lines would have to be read, sorted and searched for the
same. Rows are committed after a picture's files are published. So a kill in between does one picture again, to the same
bytes, and none is left out.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CacheBusy, ExportError
from .naming import identity

FOLDER = ".depthmap"
"""In the folder of the outputs: manifests, and what is being written."""
_PERIOD = 1.0
"""Seconds after which rows are committed, at the latest with the next one."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS done (key BLOB PRIMARY KEY, path TEXT, tag TEXT, sha256 BLOB) WITHOUT ROWID"
)


class Known(NamedTuple):
    """What a manifest holds of a picture that is done."""

    tag: str
    sha256: bytes


class Manifest:
    """The manifest of a run; several threads may ask it.

    Parameters
    ----------
    path : Path
        Its file, made if it is missing. No two runs may have it at once.
    settings : mapping
        All on which the outputs depend besides the picture, as builtins.
    others : sequence of Path
        Manifests of other shards, which are only read: pictures may have been theirs.

    Raises
    ------
    CacheBusy
        When another run has it.
    ExportError
        When it cannot be written, or is no manifest.
    """

    def __init__(self, path: Path, settings: dict[str, Any], others: Sequence[Path] = ()) -> None:
        self.path = path
        self._settings = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
        self._guard = threading.Lock()
        self._committed = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._own = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level=None)
            # Without shared memory, which network file systems lack; and no second run gets in.
            self._own.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._own.execute("PRAGMA synchronous = NORMAL")
            self._own.execute("BEGIN EXCLUSIVE")
            self._own.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            if "locked" in str(error):
                what = "Another run writes to this folder"
                raise CacheBusy(what, path, "Wait for it, or give each run its own --shard i/n.") from error
            raise ExportError(
                f"The manifest cannot be used: {error}", path, "Remove it, or write elsewhere."
            ) from error
        self._others = [other for file in others if file != path and (other := _opened(file))]

    def known(self, path: str) -> Known | None:
        """Return what is known of a picture that is done with these settings."""
        key = self._key(path)
        with self._guard:
            for connection in (self._own, *self._others):
                row = connection.execute("SELECT tag, sha256 FROM done WHERE key = ?", (key,)).fetchone()
                if row:
                    return Known(*row)
        return None

    def note(self, path: str, tag: str, sha256: bytes) -> None:
        """Note that a picture's files are whole."""
        shown = path.encode("utf-8", "backslashreplace").decode()
        with self._guard:
            self._own.execute("REPLACE INTO done VALUES (?, ?, ?, ?)", (self._key(path), shown, tag, sha256))
            if time.monotonic() - self._committed > _PERIOD:
                self._commit()
                self._own.execute("BEGIN EXCLUSIVE")

    def close(self) -> None:
        """Commit, and let others have it."""
        with self._guard:
            self._commit()
            for connection in (self._own, *self._others):
                connection.close()

    def _commit(self) -> None:
        self._own.execute("COMMIT")
        self._committed = time.monotonic()

    def _key(self, path: str) -> bytes:
        return hashlib.sha256(identity(path) + self._settings).digest()[:16]


def _opened(path: Path) -> sqlite3.Connection | None:
    """Open the manifest of another shard; while its run goes on it is not asked."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0.1, check_same_thread=False
        )
        connection.execute("SELECT key FROM done LIMIT 1")
    except sqlite3.Error:
        return None
    return connection
