"""Patterns of names, such as ``photos/*.jpg``, where no shell has expanded them: on Windows, and within quotes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from ..fetching import is_url
from ..images import natural_order

Name = str | PathLike[str]


def expand(names: Iterable[Name]) -> list[Name]:
    """Replace each pattern by the files and directories that match it, in natural order.

    ``*``, ``?`` and ``[...]`` are as in a shell, ``**`` is any directories. What exists by its very name is no
    pattern, and neither is a URL. A pattern that nothing matches stays as it is.
    """
    expanded: list[Name] = []
    for name in names:
        found = glob.glob(os.fspath(name), recursive=True) if is_pattern(name) else []  # noqa: PTH207  # Path.glob takes no absolute pattern
        expanded += sorted(found, key=lambda path: natural_order(Path(path))) or [name]
    return expanded


def is_pattern(name: Name) -> bool:
    """Tell whether a name is a pattern, rather than a file's, a directory's, or a URL."""
    text = os.fspath(name)
    return not is_url(name) and glob.has_magic(text) and not os.path.lexists(text)
