"""URLs as text: which strings are some, how messages show them, what files made of them are called."""

from __future__ import annotations

import re
from os import PathLike, fspath
from pathlib import Path
from typing import TypeGuard
from urllib.parse import unquote

from ..errors import ImageError

_SCHEMES = ("http", "https")
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)  # of two letters at least: C:// is a drive
# The rest is compiled when the first URL comes.
_PARTS = r"[^:]*://([^/?#\\]*)([^?#]*)"
# What some system takes for a separator, refuses in a name, or does not show as it is.
_UNSAFE = r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
_LONGEST_NAME, _LONGEST_ENDING, _LONGEST_HOST = 100, 12, 60  # bytes


def is_url(name: object) -> TypeGuard[str]:
    """Tell whether this is a URL, of whatever scheme; no path is one, since paths lose a slash of it."""
    return isinstance(name, str) and bool(_URL.match(name))


def is_remote(name: object) -> TypeGuard[str]:
    """Tell whether this is a URL for fsspec (s3://, file://, ...), rather than of a page or a picture on the web."""
    return is_url(name) and not name.lower().startswith(("http://", "https://"))


def check(url: str, *, offline: bool) -> None:
    """Raise ImageError unless a picture may be asked for at this URL; nothing is asked of the network.

    Raises
    ------
    ImageError
        When the scheme is neither http nor https, or ``offline`` is set.
    """
    match = _URL.match(url)
    scheme = match[1].lower() if match else "?"
    if scheme not in _SCHEMES:
        what = f"Pictures cannot be read from {scheme}:// URLs"
        raise ImageError(what, shown(url), "Use http:// or https://, or the path of a file.")
    if offline:
        remedy = "Unset DEPTHMAP_OFFLINE or leave out --offline, or give a file."
        raise ImageError("The picture is on the network, but depthmap is offline", shown(url), remedy)


def hide_login(url: str) -> str:
    """Return a URL without the user name and the password that it may carry."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def shown(url: str) -> str:
    """Return a URL as messages may show it: without the login, and the query, which may carry a key."""
    return hide_login(url).split("?", 1)[0]


def stand_in(url: str) -> Path:
    """Return a path, host and file name, after which files that are made of a URL can be called.

    Both parts are safe as names on all systems, bounded in length, and neither empty nor hidden.
    """
    match = re.match(_PARTS, url)
    host, path = (match[1].rpartition("@")[2], match[2]) if match else ("", "")
    name = Path(safe(unquote(path.rpartition("/")[2], errors="replace")))
    ending = name.suffix if len(name.suffix.encode()) <= _LONGEST_ENDING else ""
    stem = _cut(name.name.removesuffix(ending), _LONGEST_NAME)
    return Path(
        _cut(safe(host.replace("[", "").replace("]", "")), _LONGEST_HOST) or "host",
        (stem or "picture") + ending,
    )


def was_url(path: str | PathLike[str]) -> bool:
    """Tell whether a path was made of a URL, which lost a slash by it."""
    return bool(re.match(r"https?:[/\\][^/\\]", fspath(path), re.IGNORECASE))


def safe(text: str) -> str:
    """Return a text as one part of a file's name on any system: neither hidden nor, unless nothing is left, refused."""
    return re.sub(_UNSAFE, "_", text).lstrip(" .-").rstrip(" .")


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore").rstrip(" .")
