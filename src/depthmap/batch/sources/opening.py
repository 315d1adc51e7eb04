"""What names on a command line, or in Python, stand for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO

from ...containers import TABLES, is_container, without_ending
from ...errors import DepthmapError
from ...fetching import hide_login, is_remote, is_url
from ..patterns import is_pattern
from . import tables, tars
from .folders import Found, matching, pictures_in, tag_of
from .item import Item, broken
from .lists import STDIN, names_in
from .remote import FSSPEC, files_at, open_remote

Name = str | PathLike[str]


@dataclass(frozen=True)
class Source:
    """A folder, a list, an archive, ...: ``items`` goes through it once. ``label`` is what to call it."""

    label: str
    items: Iterator[Item]


def open_sources(
    names: Iterable[Name] = (),
    lists: Iterable[str] = (),
    *,
    recursive: bool = False,
    out: Path | None = None,
    column: str = "",
) -> list[Source]:
    """Return the sources that are named; nothing is read yet.

    Parameters
    ----------
    names : iterable of path
        Folders, patterns, tar archives, Parquet files, URLs for fsspec. Pictures, and http and https URLs of such,
        together are one source.
    lists : iterable of str
        Files with a path or a URL in each line, or NUL between them; "-" is stdin.
    recursive : bool
        Also look below folders.
    out : Path, optional
        Where outputs go: what lies there is no picture.
    column : str
        Of Parquet files; see `tables.rows`.

    Raises
    ------
    UsageError
        When a pattern has ``**`` twice.
    MissingExtra
        When a source needs a package that is not installed.
    """
    found: list[Source] = []
    single: list[str] = []
    contents = partial(_contents, column=column)
    for name in [os.fspath(name) for name in names]:
        if is_remote(name):
            FSSPEC.check(hide_login(name))
            found.append(Source(_label(name), _each(files_at(name, recursive=recursive), contents)))
        elif is_pattern(name):
            label = next((p for p in reversed(Path(name).parts) if not set(p) & set("*?[")), "matches")
            found.append(Source(label, _matches(name, matching(name), contents)))
        elif not is_url(name) and Path(name).is_dir():
            folder = pictures_in(name, recursive=recursive, out=out)
            found.append(Source(Path(name).resolve().name or "root", folder))
        elif not is_url(name) and is_container(name):
            if name.lower().endswith(TABLES):
                tables.PYARROW.check(name)
            found.append(Source(_label(name), contents(Item("", name, tag_of(name)))))
        else:
            single.append(name)
    if single:
        found.append(Source("pictures", _listed(single, contents)))
    for name in lists:
        label = "stdin" if name == STDIN else Path(name).stem
        found.append(Source(label, _from_list(name, contents)))
    return list(_distinct(found))


def items(sources: Sequence[Source]) -> Iterator[Item]:
    """Yield the pictures of all sources, and what hinders a source.

    Of several sources, paths begin with the source's label. Whoever wants a picture's bytes calls `Item.loaded` before
    asking for the next one.
    """
    for source in sources:
        for item in source.items:
            yield replace(item, path=f"{source.label}/{item.path}") if len(sources) > 1 else item


def _label(name: str) -> str:
    return without_ending(Path(name.rstrip("/")).name) or "files"


def _distinct(sources: Sequence[Source]) -> Iterator[Source]:
    used: set[str] = set()
    for source in sources:
        label, number = source.label, 1
        while label.casefold() in used:
            number += 1
            label = f"{source.label}-{number}"
        used.add(label.casefold())
        yield replace(source, label=label)


Contents = Callable[[Item], Iterator[Item]]


def _contents(item: Item, *, column: str) -> Iterator[Item]:
    """Yield the pictures of an archive or a table."""
    path = f"{without_ending(item.path)}/" if item.path else ""
    shown = hide_login(item.place)
    try:
        with _opened(item.place) as stream:
            if item.place.lower().endswith(TABLES):
                yield from tables.rows(stream, shown, path, item.tag, column, _in_row)
            else:
                yield from tars.members(stream, shown, path, item.tag)
    except OSError as error:
        yield broken(shown, "The file cannot be read", error)
    except DepthmapError as error:
        yield Item(item.path or shown, shown, error=error)


def _opened(place: str) -> IO[bytes]:
    return open_remote(place) if is_remote(place) else Path(place).open("rb")


def _in_row(place: str, path: str) -> Iterator[Item]:
    """Yield the picture that a row names, called after the row and the file."""
    name = place.rpartition("/")[2].partition("?")[0] or "picture"
    yield Item(f"{path}_{name}", place, "" if is_url(place) else tag_of(place))


def _each(found: Iterable[Item], contents: Contents) -> Iterator[Item]:
    """Yield pictures as they are, and what archives and tables hold."""
    for item in found:
        if item.error is None and is_container(item.place):
            yield from contents(item)
        else:
            yield item


def _matches(pattern: str, found: Iterable[Found | Item], contents: Contents) -> Iterator[Item]:
    some = False
    for entry in found:
        some = True
        item = entry if isinstance(entry, Item) else Item(entry.path, entry.file, tag_of(entry.file))
        yield from _each([item], contents)
    if not some:
        yield broken(pattern, "No picture matches", remedy="Check the pattern and its directory.")


def _listed(names: Iterable[str], contents: Contents) -> Iterator[Item]:
    for name in names:
        if is_remote(name):
            yield from _each([Item(name, name)], contents)
        else:
            tag = "" if is_url(name) else tag_of(name)
            yield from _each([Item(name.removeprefix("./"), name, tag)], contents)


def _from_list(name: str, contents: Contents) -> Iterator[Item]:
    try:
        yield from _listed(names_in(name), contents)
    except DepthmapError as error:
        yield Item(name, name, error=error)
