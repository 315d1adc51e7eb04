"""Folders, and patterns of names: entry by entry, as the file system gives them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from ...errors import UsageError
from ...images import SUFFIXES
from ...outputs import OUTPUTS
from ...store import Stamp
from .item import Item, broken, is_picture

MAGIC = frozenset("*?[")
_SUFFIXES = tuple(output.suffix for output in OUTPUTS.values())


class Found(NamedTuple):
    """A file, and its path below the folder in which it was looked for."""

    file: str
    path: str


def pictures_in(folder: str, *, recursive: bool, out: Path | None = None, path: str = "") -> Iterator[Item]:
    """Yield the pictures of a folder; `depthmap.images.find_images` says what counts.

    What lies in ``out`` below the folder is left out, and so are earlier outputs beside their pictures.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if recursive and not _is(entry.path, out):
                        below = f"{path}{entry.name}/"
                        yield from pictures_in(entry.path, recursive=True, out=out, path=below)
                elif is_picture(entry.name) and entry.is_file() and not _is_output(entry.path):
                    yield Item(path + entry.name, entry.path, tag_of(entry.path))
    except OSError as error:
        yield broken(folder, "The directory cannot be read", error, "Change its permissions.")


def tag_of(file: str | Path) -> str:
    """Return what tells that a file's bytes are still the same; empty if the file cannot be asked."""
    try:
        return ":".join(map(str, Stamp.of(Path(file))))
    except OSError:
        return ""


def _is(folder: str, other: Path | None) -> bool:
    return other is not None and os.path.realpath(folder) == os.path.realpath(other)


def _is_output(file: str) -> bool:
    """Tell whether a file is called as an output of a picture beside it."""
    stem = next((file[: -len(suffix)] for suffix in _SUFFIXES if file.endswith(suffix)), "")
    if not stem:
        return False
    return (is_picture(stem) and os.path.lexists(stem)) or any(
        os.path.lexists(stem + ending) for ending in SUFFIXES
    )


def matching(pattern: str) -> Iterator[Found | Item]:
    """Yield the files that match a pattern, with their paths below its part without ``*``, ``?`` and ``[``.

    Raises
    ------
    UsageError
        When ``**`` occurs twice, so that a file could be met twice.
    """
    parts = Path(pattern).parts
    if parts.count("**") > 1:
        raise UsageError(
            "A pattern may have ** only once", pattern, "Give two patterns, or one folder and -r."
        )
    first = next(number for number, part in enumerate(parts) if not MAGIC.isdisjoint(part))
    return _below(str(Path(*parts[:first])), parts[first:], "")


def _below(folder: str, parts: Sequence[str], path: str) -> Iterator[Found | Item]:
    first, rest = parts[0], parts[1:]
    if MAGIC.isdisjoint(first):
        yield from _next(str(Path(folder, first)), rest, path + first)
        return
    if first == "**":
        yield from _below(folder, rest or ("*",), path)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and not first.startswith("."):
                    continue
                if first == "**":
                    if entry.is_dir(follow_symlinks=False):
                        yield from _below(entry.path, parts, f"{path}{entry.name}/")
                elif fnmatch(entry.name, first):
                    yield from _next(entry.path, rest, path + entry.name)
    except OSError as error:
        yield broken(folder, "The directory cannot be read", error, "Change its permissions.")


def _next(file: str, rest: Sequence[str], path: str) -> Iterator[Found | Item]:
    if rest:
        if Path(file).is_dir():
            yield from _below(file, rest, f"{path}/")
    elif Path(file).is_file():
        yield Found(file, path)
