"""A damaged file made whole again, from what is sound of it, its sibling, and ranges of its source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from .. import formats
from ..catalog import ModelSpec
from ..download import Partial, Progress, allowed, complete, sources
from ..errors import FileError
from ..formats import Layout
from ..store import FileRecord
from ..store.commit import require_space
from ..store.digest import LEAF, expected_leaf
from ..store.names import TENSOR_FORMATS
from .digests import known
from .shelf import Shelf


def mend(
    shelf: Shelf,
    spec: ModelSpec,
    format: str,
    record: FileRecord,
    progress: Progress | None = None,
    cancel: Event | None = None,
) -> dict[str, Any]:
    """Put a whole file in place of a damaged one; return {leaves, bytes_fetched}. Needs the model's lock.

    What no file of the cache holds any more is fetched by ranges: from the published source, a mirror, or another
    depthmap server (`DEPTHMAP_MIRRORS`), under the recorded digest of each 1 MiB leaf. The bytes are gathered in a
    copy that replaces the old file by rename.

    Raises
    ------
    DownloadError
        When some leaf could not be had anywhere.
    InsufficientDiskSpace, CacheNotWritable
        When the copy cannot be written.
    """
    store = shelf.store
    require_space(store.root, record.digest.size)
    target = store.resumable(spec.slug, format)
    partial = Partial(target, record.digest.size, record.digest.sha256)
    try:
        salvage(shelf, spec, format, partial)
        lost = len(partial.lost())
        urls = allowed(repair_urls(shelf, spec, format, record), offline=shelf.settings.offline)
        settings = shelf.settings
        digest = complete(partial, urls, settings.timeout, progress, retries=settings.retries, cancel=cancel)
    finally:
        partial.close()
    if manifest := store.known(spec.slug) or shelf.known(spec.slug):
        ours = manifest if store.known(spec.slug) else replace(manifest, files={}, previous=None)
        store.add(ours, spec.slug, format, target, digest)
    partial.discard_journal()
    return {"leaves": lost, "bytes_fetched": partial.received}


def repair_urls(shelf: Shelf, spec: ModelSpec, format: str, record: FileRecord) -> list[str]:
    """Return where the bytes of a cached file may be: the published ones at their sources, and at depthmap servers."""
    mirrors = shelf.settings.mirrors
    name = shelf.store.path(spec.slug, format).name
    held = known(shelf, spec)
    is_source_s = format == "pt" and spec.url and held and record.digest.sha256 == held.sha256
    urls = sources(spec.url, spec.path, mirrors) if is_source_s else []
    return list(dict.fromkeys([*(mirror + name for mirror in mirrors), *urls]))


def salvage(shelf: Shelf, spec: ModelSpec, format: str, partial: Partial) -> None:
    """Put every leaf of a file that the cache still holds somewhere, sound, into a partial one.

    Where the cache has recorded the digests of the leaves, those that come from elsewhere have to match them too.
    """
    for place in shelf.places:
        record = place.store.record(spec.slug, format)
        if record and (record.digest.size, record.digest.sha256) == (partial.size, partial.sha256):
            partial.expected = record.digest.leaves
            for leaf, data in sound_leaves(place, spec, format, record, partial.lost()):
                partial.put(leaf, data)
    partial.resumed = partial.done


def sound_leaves(
    shelf: Shelf, spec: ModelSpec, format: str, record: FileRecord, wanted: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of those ``wanted`` leaves of a file that are whole in some file of one cache directory.

    First the file itself is looked at, and what was set aside of it; then its sibling: ``.pt`` and ``.h5`` hold the
    same tensors at other places.
    """
    left = dict.fromkeys(wanted)
    copies = _copies(shelf, spec, format)
    for copy in copies:
        for leaf in list(left):
            data = _read(copy, leaf * LEAF, min(LEAF, record.digest.size - leaf * LEAF))
            if _matches(data, record, leaf):
                del left[leaf]
                yield leaf, data
    for sibling in (
        other for name in TENSOR_FORMATS if name != format for other in _copies(shelf, spec, name)
    ):
        for copy in copies if left else []:
            for leaf, data in _from_sibling(copy, sibling, record, list(left)):
                del left[leaf]
                yield leaf, data


def _copies(shelf: Shelf, spec: ModelSpec, format: str) -> list[Path]:
    paths = [shelf.store.path(spec.slug, format), *shelf.store.set_aside_of(spec.slug, format)]
    return [path for path in paths if path.is_file()]


def _matches(data: bytes, record: FileRecord, leaf: int) -> bool:
    return hashlib.sha256(data).digest() == expected_leaf(record.digest.leaves, leaf)


def _read(path: Path, start: int, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(count)
    except OSError:  # a bad sector, or it went away
        return b""


def _from_sibling(
    copy: Path, sibling: Path, record: FileRecord, leaves: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield leaves of ``copy`` whose tensors are taken from ``sibling``, where that makes them what is recorded."""
    try:
        theirs, ours = formats.scan(sibling), formats.scan(copy)
    except (FileError, OSError):  # so damaged that it does not say where its tensors are
        return
    for leaf in leaves:
        start, count = leaf * LEAF, min(LEAF, record.digest.size - leaf * LEAF)
        data = bytearray(_read(copy, start, count).ljust(count, b"\0"))
        _overlay(data, start, ours, theirs)
        if _matches(bytes(data), record, leaf):
            yield leaf, bytes(data)


def _overlay(data: bytearray, start: int, ours: Layout, theirs: Layout) -> None:
    """Write into ``data``, the bytes of our file from ``start`` on, those of each tensor as the other file has them."""
    for name, mine in ours.tensors.items():
        low, high = max(start, mine.offset), min(start + len(data), mine.offset + mine.nbytes)
        other = theirs.tensors.get(name)
        if low >= high or other is None or (mine.dtype, mine.shape) != (other.dtype, other.shape):
            continue
        if mine.strides is None and other.strides is None and theirs.mapped:
            part = _read(theirs.path, other.offset + low - mine.offset, high - low)
            if len(part) == high - low:
                data[low - start : high - start] = part


def is_mendable(shelf: Shelf, spec: ModelSpec, format: str, record: FileRecord) -> bool:
    """Tell whether the cache itself holds every leaf of a damaged file."""
    count = -(-record.digest.size // LEAF)
    with suppress(OSError):
        return len(list(sound_leaves(shelf, spec, format, record, range(count)))) == count
    return False
