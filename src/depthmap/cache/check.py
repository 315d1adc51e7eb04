"""Is this file what it should be?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .. import formats
from ..catalog import ModelSpec
from ..errors import CacheError, FileError, ModelFileCorrupted
from ..store import FileRecord, Manifest, Stamp, digest_file
from ..store.names import TENSOR_FORMATS
from .shelf import Shelf

log = logging.getLogger("depthmap")
Tick = Callable[[int], None]
_REMEDY = (
    "Run 'depthmap models repair --model {name}', or 'depthmap models download --model {name}' when online."
)


def check(
    shelf: Shelf, spec: ModelSpec, format: str, *, every_byte: bool = False, tick: Tick | None = None
) -> Path | None:
    """Return the path of a model's file if it is whole, or None if there is none.

    A file whose stamp (size, time, inode) is the one under which it was last verified is taken as it is;
    another one, or any with ``every_byte``, is hashed.

    Raises
    ------
    ModelFileCorrupted
        When its bytes are not the recorded, or the published, ones.
    UnsafeFile, UnrecognisedFile
        When it is not recorded and holds no state dict.
    """
    path = shelf.store.path(spec.slug, format)
    if not path.is_file():
        return None
    if shelf.store.record(spec.slug, format) is None:
        _vouch(shelf, spec, format, path)
    elif every_byte or not shelf.store.is_stamped(spec.slug, format):
        log.info("verifying %s", path)
        damaged = shelf.store.verify(spec.slug, format, tick)
        if damaged:
            remedy = _REMEDY.format(name=spec.name)
            raise ModelFileCorrupted(
                f"{len(damaged)} of its 1 MiB leaves are damaged, the first is {damaged[0]}", path, remedy
            )
    return path


def _vouch(shelf: Shelf, spec: ModelSpec, format: str, path: Path) -> None:
    """Record a file that somebody put into the cache: the published digest, else a sound structure, speaks for it.

    One that cannot be mapped is rewritten.
    """
    stamp = Stamp.of(path)
    digest = digest_file(path)
    published = format == "pt" and spec.sha256
    if published and digest.sha256 != spec.sha256:
        raise ModelFileCorrupted("its SHA-256 is not the published one", path, _REMEDY.format(name=spec.name))
    mapped = bool(published) or formats.get(format).scan(path).mapped
    if not published:
        log.warning("%s was not recorded; it is taken as it is, and verified from now on", path)
    store = shelf.store
    with suppress(CacheError), store.lock(spec.slug, timeout=1):  # a read-only or busy cache: another time
        manifest = store.known(spec.slug) or Manifest(spec, provenance={"how": "found in the cache"})
        if mapped:
            store.write_manifest(spec.slug, manifest.with_file(format, FileRecord(digest, stamp)))
        else:
            with store.staging(spec.slug, format) as staged:
                formats.get(format).save(formats.load(path), staged, {"spec": spec.to_dict()})
                store.add(manifest, spec.slug, format, staged)


def first_whole(shelf: Shelf, spec: ModelSpec) -> tuple[str, Path] | None:
    """Return the format and path of the first whole file, in the order of priority; damaged ones are set aside."""
    for format in TENSOR_FORMATS:
        try:
            path = check(shelf, spec, format, every_byte=shelf.settings.verify == "always")
        except FileError as error:
            set_aside(shelf, spec, format, error)
            continue
        if path:
            return format, path
    return None


def set_aside(shelf: Shelf, spec: ModelSpec, format: str, error: FileError) -> None:
    """Move a damaged file out of the way and say so."""
    target = shelf.store.set_aside(spec.slug, format)
    log.warning("%s %s", error, f"It was set aside as {target}." if target else "It could not be moved.")
    with suppress(CacheError):
        shelf.store.forget(spec.slug, format)
