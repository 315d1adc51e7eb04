"""URLs that fsspec knows: s3://, gs://, az://, hf://, sftp://, file://, ..."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ...containers import is_container
from ...errors import ImageError
from ...extras import Extra
from ...fetching import hide_login
from ...settings import from_environment
from .item import Item, broken, is_picture

FSSPEC = Extra("fsspec", "remote", "URLs besides http and https")
_LOCAL = ("file", "local", "memory")
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "sha256", "oid")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    Raises
    ------
    MissingExtra
        When fsspec is not installed.
    ImageError
        When it does not know the scheme, or the URL chains several: that could lead anywhere.
    """
    core = FSSPEC.load().core
    scheme = url.partition("://")[0].lower()
    if from_environment().offline and scheme not in _LOCAL:
        remedy = "Unset DEPTHMAP_OFFLINE or leave out --offline."
        raise ImageError("This is on the network, but depthmap is offline", hide_login(url), remedy)
    if "::" in url:
        raise ImageError("URLs that are chained by :: are not read", hide_login(url), "Give the plain URL.")
    try:
        fs, path = core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError, TypeError) as error:
        what = f"This URL cannot be opened: {error}"
        raise ImageError(what, hide_login(url), "Install what fsspec needs for it, or check it.") from error
    return fs, str(path)


def open_remote(url: str) -> IO[bytes]:
    """Open what lies at a URL for reading, from its beginning on."""
    fs, path = file_system(url)
    stream: IO[bytes] = fs.open(path, "rb", cache_type="readahead")
    return stream


def read_remote(url: str, limit: int) -> bytes:
    """Return what lies at a URL, at most one byte more than the limit."""
    fs, path = file_system(url)
    with fs.open(path, "rb") as stream:
        data: bytes = stream.read(limit + 1)
    return data


def files_at(url: str, *, recursive: bool) -> Iterator[Item]:
    """Yield what lies at a URL: itself, what matches it, or the pictures, archives and tables in a folder.

    fsspec lists a folder of a store as a whole, so millions of names are better given as a list.
    """
    try:
        fs, path = file_system(url)
        if any(mark in path for mark in "*?["):
            base = path[: min(path.index(mark) for mark in "*?[" if mark in path)].rpartition("/")[0]
            found = fs.glob(path, detail=True)
            yield from (_item(fs, base, info) for info in found.values() if info["type"] == "file")
        elif fs.isdir(path):
            for folder, _, names in fs.walk(path, detail=True, maxdepth=None if recursive else 1):
                for name, info in names.items():
                    if is_picture(name) or is_container(name):
                        yield _item(fs, path, {**info, "name": info.get("name") or f"{folder}/{name}"})
        else:
            yield _item(fs, path.rpartition("/")[0], fs.info(path))
    except ImageError as error:
        yield Item(url, hide_login(url), error=error)
    except Exception as error:  # stores raise what they like
        yield broken(hide_login(url), "The URL cannot be read", error, "Check it and your access to it.")


def _item(fs: Any, base: str, info: dict[str, Any]) -> Item:
    name = str(info["name"])
    below = name.removeprefix(base).lstrip("/") if base else name
    return Item(below or Path(name).name, str(fs.unstrip_protocol(name)), remote_tag(info))


def remote_tag(info: dict[str, Any]) -> str:
    """Return what tells that a store's object is still the same: its ETag or digest, else its size and time."""
    stated = next((str(info[name]) for name in _TAGS if info.get(name)), "")
    when = next((str(info[name]) for name in _TIMES if info.get(name)), "")
    size = info.get("size")
    return stated or (f"{size}:{when}" if size is not None and when else "")
