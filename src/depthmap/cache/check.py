"""Is this file what it should be?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .. import formats
from ..catalog import ModelSpec
from ..errors import CacheBusy, CacheError, CacheNotReadable, FileError, ModelFileCorrupted, UnrecognisedFile
from ..formats.tensors import Layout, placed
from ..store import FileRecord, Manifest, Stamp, digest_file
from ..store.commit import is_file, reading
from ..store.names import TENSOR_FORMATS
from .digests import of_pt
from .remembered import is_remembered, remember
from .shelf import Shelf

log = logging.getLogger("depthmap")
Tick = Callable[[int], None]
_REMEDY = (
    "Run 'depthmap models repair --model {name}', or 'depthmap models download --model {name}' when online."
)
_ROUNDS = 10
"""How often a file may be replaced while it is looked at before that is taken for damage."""


def check(
    shelf: Shelf, spec: ModelSpec, format: str, *, every_byte: bool = False, tick: Tick | None = None
) -> Path | None:
    """Return the path of a model's file if it is whole, or None if there is none.

    A file whose stamp (size, time, inode) is the one under which it was last verified is taken as it is;
    another one, or any with ``every_byte``, is hashed. The directory looked at is the one that is written.

    Raises
    ------
    ModelFileCorrupted
        When its bytes are not the recorded, or the published, ones.
    UnsafeFile, UnrecognisedFile
        When it is not recorded and holds no state dict.
    CacheNotReadable
        When it may not be read.
    """
    path = shelf.store.path(spec.slug, format)
    with reading(path):
        if not is_file(path) or shelf.store.is_left_over(spec.slug, format):
            return None
        record = shelf.store.record(spec.slug, format)
        if record is None:
            _vouch(shelf, spec, format, path)
        elif every_byte or not _is_known_whole(shelf, spec, format, record):
            log.info("verifying %s", path)
            seen = Stamp.of(path)
            damaged = shelf.store.verify(spec.slug, format, tick)
            if damaged:
                remedy = _REMEDY.format(name=spec.name)
                raise ModelFileCorrupted(
                    f"damaged blocks of 1 MiB: {len(damaged)}, the first is number {damaged[0]}", path, remedy
                )
            if not shelf.store.is_stamped(spec.slug, format):
                remember(path, record.digest.sha256, seen)
    return path


def _is_known_whole(shelf: Shelf, spec: ModelSpec, format: str, record: FileRecord) -> bool:
    if record.stamp == stamp_of(shelf, spec, format):
        return True
    return is_remembered(shelf.store.path(spec.slug, format), record.digest.sha256)


def known_layout(shelf: Shelf, spec: ModelSpec, format: str) -> Layout | None:
    """Return where the tensors of a file lie, if that was recorded and it is, by its stamp, the file recorded."""
    record = shelf.store.record(spec.slug, format)
    if record is None or not record.tensors or not _is_known_whole(shelf, spec, format, record):
        return None
    with suppress(FileError):
        return placed(shelf.store.path(spec.slug, format), record.tensors, record.digest.size)
    return None


def _vouch(shelf: Shelf, spec: ModelSpec, format: str, path: Path) -> None:
    """Record a file that somebody put into the cache: the published digest, else a sound structure, speaks for it.

    One that cannot be mapped is rewritten.
    """
    if format not in TENSOR_FORMATS:
        raise UnrecognisedFile(
            "The cache has no record of this file", path, "Run 'depthmap models compile' to make it again."
        )
    stamp = Stamp.of(path)
    digest = digest_file(path)
    published = of_pt(shelf, spec) if format == "pt" else ""
    if published and digest.sha256 != published:
        whose = "published one" if spec.sha256 else "one that it had when it was downloaded"
        raise ModelFileCorrupted(f"its SHA-256 is not the {whose}", path, _REMEDY.format(name=spec.name))
    mapped = bool(published) or formats.get(format).scan(path).mapped
    if not published:
        log.warning("%s has no record in the cache: it is used as it is, and verified from now on", path)
    store = shelf.store
    with suppress(CacheError), store.lock(spec.slug, timeout=1):  # a read-only or busy cache: another time
        manifest = store.known(spec.slug) or Manifest(spec, provenance={"how": "found in the cache"})
        if mapped:
            record = FileRecord.of(path, format, digest, stamp)
            store.write_manifest(spec.slug, manifest.with_file(format, record))
        else:
            with store.staging(spec.slug, format) as staged:
                formats.convert(path, format, staged, spec.as_metadata())
                store.add(manifest, spec.slug, format, staged)


def whole(shelf: Shelf, spec: ModelSpec, format: str, *, every_byte: bool = False) -> Path | None:
    """Return the path of a model's file if it is whole, else None; a damaged one is set aside, and that is said."""
    for _ in range(_ROUNDS):
        seen = stamp_of(shelf, spec, format)
        try:
            return check(shelf, spec, format, every_byte=every_byte)
        except FileNotFoundError:  # removed by another process since it was looked for
            return None
        except CacheNotReadable as error:
            log.warning("%s", error)
            return None
        except FileError as error:
            if set_aside(shelf, spec, format, error, seen):
                return None
    return None


def whole_files(shelf: Shelf, spec: ModelSpec, wanted: Sequence[str] = TENSOR_FORMATS) -> dict[str, Path]:
    """Return {format: path} of a model's files that are whole, wherever they are; damaged ones are set aside."""
    found: dict[str, Path] = {}
    for place in shelf.places:
        for format in wanted:
            if format not in found and (path := whole(place, spec, format)):
                found[format] = path
    return found


def stamp_of(shelf: Shelf, spec: ModelSpec, format: str) -> Stamp | None:
    """Return the stamp that a file has now, or None where there is none."""
    with suppress(OSError):
        return Stamp.of(shelf.store.path(spec.slug, format))
    return None


def first_whole(shelf: Shelf, spec: ModelSpec, *, every_byte: bool = False) -> tuple[str, Path] | None:
    """Return the format and path of the first whole file, in the order of priority; damaged ones are set aside."""
    always = every_byte or shelf.settings.verify == "always"
    for place in shelf.places:
        for format in TENSOR_FORMATS:
            if path := whole(place, spec, format, every_byte=always):
                return format, path
    return None


def set_aside(shelf: Shelf, spec: ModelSpec, format: str, error: FileError, seen: Stamp | None) -> bool:
    """Move a file that was found damaged out of the way, and say so.

    Returns False when there is another file by now than the one ``seen``: a writer has replaced it in the meantime,
    and it is to be looked at anew. A cache that cannot be written keeps its file.
    """
    target = None
    try:
        with shelf.store.lock(spec.slug, timeout=min(1.0, shelf.settings.timeout)):
            if stamp_of(shelf, spec, format) != seen:
                return False
            target = shelf.store.set_aside(spec.slug, format)
    except CacheBusy:
        if stamp_of(shelf, spec, format) != seen:
            return False
    except CacheError:
        pass
    log.warning("%s %s", error, f"It was set aside as {target}." if target else "It could not be moved.")
    return True
