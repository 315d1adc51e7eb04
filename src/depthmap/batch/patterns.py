"""Patterns of names, such as ``photos/*.jpg``, where no shell has expanded them: on Windows, and within quotes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from ..fetching import is_url
from ..images import natural_order

Name = str | PathLike[str]
_MAGIC = frozenset("*?[")


def expand(names: Iterable[Name]) -> list[Name]:
    """Replace each pattern by the files and directories that match it, in natural order.

    ``*``, ``?`` and ``[...]`` are as in a shell, ``**`` is any directories. What exists by its very name is no
    pattern, and neither is a URL. A pattern that nothing matches stays as it is.
    """
    expanded: list[Name] = []
    for name in names:
        expanded += (_matches(os.fspath(name)) if is_pattern(name) else []) or [name]
    return expanded


def _matches(pattern: str) -> list[str]:
    import glob

    found = glob.glob(pattern, recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
    return sorted(found, key=lambda path: natural_order(Path(path)))


def is_pattern(name: Name) -> bool:
    """Tell whether a name is a pattern, rather than a file's, a directory's, or a URL."""
    text = os.fspath(name)
    return not is_url(name) and not _MAGIC.isdisjoint(text) and not os.path.lexists(text)
