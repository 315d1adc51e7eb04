"""One picture that a source has found, and what a file holds by its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...errors import DepthmapError, ImageError
from ...images import SUFFIXES


@dataclass(frozen=True)
class Item:
    """A picture, not read yet.

    ``path`` names it within its source, "/" between folders: no other of the run has the same, and its outputs are
    called after it. ``place`` is where it lies: a file's path or a URL. ``tag`` changes when its bytes do; empty
    where nothing tells. ``load`` gives the bytes of what lies in an archive, only until the next item is asked for;
    `loaded` keeps them in ``data``. ``error`` says why a source cannot go on; such an item is no picture.
    """

    path: str
    place: str
    tag: str = ""
    load: Callable[[], bytes] | None = field(default=None, compare=False)
    data: bytes | None = None
    error: DepthmapError | None = None

    def loaded(self) -> Item:
        """Return the same with its bytes, where they can be had now only; with an error if they cannot."""
        if self.load is None:
            return self
        try:
            return replace(self, data=self.load(), load=None)
        except DepthmapError as error:
            return replace(self, error=error, load=None)


def broken(place: str, what: str, error: Exception | None = None, remedy: str = "") -> Item:
    """Return the item that says why a source, or the rest of it, cannot be read."""
    reason = f": {getattr(error, 'strerror', None) or error or type(error).__name__}" if error else ""
    return Item(place, place, error=ImageError(f"{what}{reason}", place, remedy or "Check the path."))


def is_picture(path: str) -> bool:
    """Tell whether a name, in a folder or an archive, is a picture's: by its ending, and not hidden."""
    name = path.replace(os.sep, "/").rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and not name.startswith(".") and dot + ending.lower() in SUFFIXES
