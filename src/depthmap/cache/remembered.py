"""What this user found whole in caches that cannot be written: notes of the user's own, so that it is hashed once."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from ..settings import default_cache_dir
from ..store import Stamp
from ..store.commit import write_bytes


def _note(path: Path) -> Path:
    name = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return default_cache_dir().parent / "verified" / f"{name}.json"


def _content(path: Path, sha256: str, stamp: Stamp) -> bytes:
    text = {"path": str(path.absolute()), "sha256": sha256, "stamp": list(stamp)}
    return json.dumps(text, ensure_ascii=True).encode("ascii")


def remember(path: Path, sha256: str, stamp: Stamp) -> None:
    """Note that a file with this stamp has this digest; where that cannot be noted, it is hashed again next time."""
    with suppress(Exception):
        note = _note(path)
        write_bytes(note, _content(path, sha256, stamp), note.parent)


def is_remembered(path: Path, sha256: str) -> bool:
    """Tell whether a file is, by its stamp, one that was noted to have this digest."""
    try:
        return _note(path).read_bytes() == _content(path, sha256, Stamp.of(path))
    except (OSError, RuntimeError):  # no note, no file, no home
        return False
