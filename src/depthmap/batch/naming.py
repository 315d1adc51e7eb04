"""What outputs are called where no list of all pictures is at hand: each name follows from its picture's path alone.

Two paths never give one name. A path that can be a name on every system is its own name. Any other is changed until it
can, and gets a piece of its digest; so does one that only looks as if it had. The picture's ending stays, because
nobody knows whether photo.png follows photo.jpg.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from ..fetching import is_url, stand_in
from ..fetching.urls import safe
from ..outputs import OUTPUTS

ROOT, DRIVE = "root", "drive"
"""Below ``root``, on Windows ``drive-C``, lie outputs of pictures that are named by absolute paths."""
_RESERVED = re.compile(rf"({ROOT}|{DRIVE}-[a-z])(/|$)", re.IGNORECASE)
_LONGEST = (
    150  # bytes of a part: the longest suffix, a piece of a digest and a staged file's name fit beside it
)
_SUFFIXES = tuple(output.suffix + end for output in OUTPUTS.values() for end in ("", ".json"))
_DIGEST = re.compile(r"-[0-9a-f]{16}$")
_DRIVE = re.compile(r"^([a-z]):/", re.IGNORECASE)


def identity(path: str) -> bytes:
    """Return 16 bytes that stand for a picture's path: in the manifest, and for the choice of its shard."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()[:16]


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """Tell whether a picture belongs to shard ``(i, n)``, i of 1 to n."""
    number, of = shard
    return int.from_bytes(identity(path)[:8], "big") % of == number - 1


def stem(path: str, *, folds: bool = False) -> str:
    """Return what a picture's files are called before their suffixes, relative, "/" between folders.

    With ``folds`` the names are for a folder that takes capitals for small letters.
    """
    if is_url(path):
        return _with_digest(stand_in(path).as_posix(), path)
    plain = path.replace(os.sep, "/")
    relative = f"{ROOT}/{plain[1:]}" if plain.startswith("/") else _DRIVE.sub(rf"{DRIVE}-\1/", plain)
    *folders, last = relative.split("/")
    parts = [*map(_folder, folders), _part(last)]
    name = "/".join(part for part in parts if part) or "picture"
    changed = name != relative or _RESERVED.match(plain) or _DIGEST.search(name)
    folded = folds and unicodedata.normalize("NFC", name).casefold() != name
    return _with_digest(name, path) if changed or folded else name


def _part(part: str) -> str:
    return safe(part).encode("utf-8", "replace")[:_LONGEST].decode(errors="ignore").rstrip(" .")


def _folder(part: str) -> str:
    """Return a folder's name, which is no file's that an output might have."""
    name = _part(part)
    return f"{name}_" if name.endswith(_SUFFIXES) else name


def _with_digest(name: str, path: str) -> str:
    return f"{name}-{identity(path).hex()[:16]}"


def folds_names(folder: Path) -> bool:
    """Tell whether a folder takes capitals for small letters, as on Windows and macOS; it need not exist yet."""
    for path in (folder.absolute(), *folder.absolute().parents):
        twin = path.with_name(path.name.swapcase()) if path.name else path
        if path.exists() and twin.name != path.name:
            return twin.exists() and twin.samefile(path)
    return False
