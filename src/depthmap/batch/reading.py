"""The bytes of a picture, asked for again after a fault that passes."""

from __future__ import annotations

import errno
import time
from pathlib import Path

from ..errors import ImageError
from ..fetching import hide_login, is_remote, is_url
from ..images import MAX_BYTES, drain
from .sources.item import Item
from .sources.remote import read_remote

PAUSES = (0.5, 2.0)
"""Seconds before the second and the third attempt."""
_PASSING = {
    getattr(errno, name)
    for name in (
        *("EIO", "EAGAIN", "EINTR", "EBUSY", "EMFILE", "ENFILE", "ENOBUFS", "ESTALE", "ETIMEDOUT"),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EPIPE"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO"),
    )
    if hasattr(errno, name)
}
_LASTING = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    ImportError,
    ValueError,
)


def read_item(item: Item, *, allow_private: bool = False) -> bytes:
    """Return a picture's encoded bytes.

    Raises
    ------
    ImageError
        When they cannot be had: at once where that will not change, else after three attempts.
    """
    if item.data is not None:
        return item.data
    for pause in PAUSES:
        try:
            return _once(item.place, allow_private)
        except ImageError as error:
            if not error.passing:
                raise
            time.sleep(pause)
    return _once(item.place, allow_private)


def _once(place: str, allow_private: bool) -> bytes:
    if is_remote(place):
        return _from_store(place)
    if is_url(place):
        from ..fetching.fetcher import fetch

        return fetch(place, MAX_BYTES, allow_private=allow_private)
    return _from_file(place)


def _from_file(place: str) -> bytes:
    try:
        with Path(place).open("rb", buffering=0) as stream:
            return drain(stream, place, MAX_BYTES)
    except ImageError as error:
        if isinstance(error.__cause__, OSError):
            error.passing = error.__cause__.errno in _PASSING
        raise
    except FileNotFoundError as error:
        raise ImageError("There is no such picture", place, "Check the path.") from error
    except IsADirectoryError as error:
        raise ImageError("This is a directory, not a picture", place, "Give a file in it.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        failed = ImageError(f"The picture cannot be opened: {reason}", place, "Check the path.")
        failed.passing = getattr(error, "errno", None) in _PASSING
        raise failed from error


def _from_store(place: str) -> bytes:
    try:
        return read_remote(place, MAX_BYTES)
    except ImageError:
        raise
    except Exception as error:  # stores raise what they like
        what = f"The picture cannot be read: {error or type(error).__name__}"
        failed = ImageError(what, hide_login(place), "Check the URL and your access to it.")
        failed.passing = not isinstance(error, _LASTING)
        raise failed from error
