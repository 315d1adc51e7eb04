"""Filling the cache: download, and conversion from one format to another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import without_indices
from ..download import Partial, Progress, complete
from ..errors import CacheError, UsageError
from ..fetching import hide_login
from ..store import Digest, Manifest
from ..store.commit import free_space, require_space
from ..store.digest import LEAF
from ..store.directory import RESUMABLE
from ..store.names import TENSOR_FORMATS
from . import consent
from .budget import make_room, size_of
from .check import whole_files
from .digests import is_pt, known, of_pt
from .mending import salvage
from .record import CONVERTED, Known
from .shelf import Shelf
from .source import is_kept, looked_into, order, source_urls, told

_LONGEST_WAIT = 3600.0
"""Seconds for another process to end its download of the same model."""


def fetch(
    shelf: Shelf,
    spec: ModelSpec,
    wanted: Sequence[str] = TENSOR_FORMATS,
    progress: Progress | None = None,
    cancel: Event | None = None,
    *,
    allow_unverified: bool = False,
) -> dict[str, Path]:
    """See to it that a model is cached in the ``wanted`` formats; return {format: path}.

    What is there and whole is not fetched again; a format is made from a sibling where that gives the same bytes.
    While another process fetches the same model, this one waits, with progress, and takes what that one made.
    ``allow_unverified`` does what the setting does: a file is taken of which nothing states the digest.

    Raises
    ------
    ModelUnavailable
        When there is no source, or the network may not be used.
    LicenceNotAccepted
        When the model's licence is to be accepted before a download.
    Unverified
        When nothing states the digest, and that is not allowed.
    UnrecognisedFile, ModelFileCorrupted, UnsafeFile
        When what came is no checkpoint of the model's network.
    DownloadError, InsufficientDiskSpace, BudgetExceeded, CacheNotWritable
        As they come.
    """
    _known_formats(wanted)
    if len(found := whole_files(shelf, spec, wanted)) == len(set(wanted)):
        if any(slug == spec.slug for slug, _ in shelf.store.partial()):
            with suppress(CacheError), shelf.store.lock_to_free(spec.slug, timeout=0):
                sweep(shelf, spec)
        return found
    if not shelf.cached(spec.slug):
        source_urls(shelf, spec)  # before a directory is made for nothing
    with _alone(shelf, spec, progress):
        found = whole_files(shelf, spec, wanted)
        missing = [name for name in wanted if name not in found]
        sibling = _sibling(shelf, spec, missing)
        if missing and sibling is None:
            found |= _download(shelf, spec, missing, progress, cancel, allow_unverified=allow_unverified)
        elif sibling:
            make_room(shelf, spec, sibling.stat().st_size * len(missing))
        for name in [name for name in missing if name not in found]:
            found[name] = convert(shelf, spec, sibling or found["pt"], name, progress)
        sweep(shelf, spec)
    return {name: found[name] for name in wanted}


def _sibling(shelf: Shelf, spec: ModelSpec, missing: Sequence[str]) -> Path | None:
    """Return a whole file from which the missing ones can be made; a ``.pt`` that is published is made of nothing."""
    if not missing or ("pt" in missing and of_pt(shelf, spec)):
        return None
    whole = whole_files(shelf, spec)
    return whole.get("pt") or whole.get("h5")


def _known_formats(wanted: Sequence[str]) -> None:
    if unknown := set(wanted) - set(TENSOR_FORMATS):
        raise UsageError(f"{', '.join(sorted(unknown))} is not a format of the cache", "", "Use pt or h5.")


def _alone(shelf: Shelf, spec: ModelSpec, progress: Progress | None) -> AbstractContextManager[None]:
    """Hold the model's lock, telling how far the process is that has it."""
    partial = shelf.store.root / ".partial" / (shelf.store.path(spec.slug, "pt").name + RESUMABLE)

    def waiting() -> None:
        if progress:
            size = spec.bytes or size_of(partial)  # whose end is set at the beginning
            progress(f"Waiting for another process that downloads {spec.name}", _allocated(partial), size)

    return shelf.store.lock(spec.slug, _LONGEST_WAIT, waiting)


def _allocated(path: Path) -> int:
    """Return the bytes that a file takes on the disk: of one with holes, about those that were written."""
    try:
        status = path.stat()
    except OSError:
        return 0
    return min(status.st_size, getattr(status, "st_blocks", 0) * 512)


def sweep(shelf: Shelf, spec: ModelSpec) -> None:
    """Remove what is of no use now that the files are whole: parts, and damaged ones. Needs the lock."""
    for slug, path in [*shelf.store.partial(), *shelf.store.aside()]:
        if slug == spec.slug:
            shelf.store.unlink(path)


def discard(shelf: Shelf, spec: ModelSpec) -> None:
    """Remove what came of a download that nobody will go on with.

    Raises
    ------
    CacheBusy
        When another process goes on with it.
    """
    begun = shelf.store.path(spec.slug, "pt").name + RESUMABLE
    with shelf.store.lock_to_free(spec.slug, timeout=0.1):
        for slug, path in shelf.store.partial():
            if slug == spec.slug and path.name.startswith(begun):
                shelf.store.unlink(path)


def plan(shelf: Shelf, spec: ModelSpec, wanted: Sequence[str] = TENSOR_FORMATS) -> dict[str, Any]:
    """Return what `fetch` would do, without doing it or asking anybody.

    model; cached, missing (formats); sources (URLs in order, without logins); download_bytes, resumed_bytes (there
    already from an earlier run), write_bytes (room that is needed), free_bytes, fits; evicts (slugs that would have to
    go); sha256 and digest: the source's and how it is known, both empty where the source will be asked, and then sizes
    are 0 that the catalogue does not have.

    Raises
    ------
    ModelUnavailable
        When something is missing and there is no source.
    BudgetExceeded
        When it would be raised.
    """
    _known_formats(wanted)
    cached = shelf.cached(spec.slug)
    missing = [name for name in wanted if name not in cached]
    made = set(TENSOR_FORMATS) & set(cached) and not ("pt" in missing and of_pt(shelf, spec))
    asks = bool(missing) and not made
    there = 0
    if asks:
        there = _allocated(
            shelf.store.root / ".partial" / (shelf.store.path(spec.slug, "pt").name + RESUMABLE)
        )
    held = known(shelf, spec)
    size = held.bytes if held else spec.bytes
    written = max(0, size * (_copies(spec, missing) if asks else len(missing)) - there)
    free = free_space(shelf.store.root)
    return {
        "model": spec.name,
        "cached": [name for name in wanted if name in cached],
        "missing": missing,
        "sources": [hide_login(url) for url in source_urls(shelf, spec)] if asks else [],
        "download_bytes": max(0, size - there) if asks else 0,
        "resumed_bytes": there,
        "write_bytes": written,
        "free_bytes": free,
        "fits": written <= free,
        "evicts": make_room(shelf, spec, size * len(missing), dry_run=True),
        "sha256": held.sha256 if held else "",
        "digest": held.digest if held else "",
    }


def _copies(spec: ModelSpec, missing: Sequence[str]) -> int:
    """Return how often a download writes about the bytes of the source's file."""
    return len(set(missing) | {"pt"}) if is_pt(spec) else len(missing) + 1


def _download(
    shelf: Shelf,
    spec: ModelSpec,
    missing: Sequence[str],
    progress: Progress | None,
    cancel: Event | None = None,
    *,
    allow_unverified: bool = False,
) -> dict[str, Path]:
    """Fetch the source's file, going on from what is there of it: an earlier run's bytes, a damaged file's leaves."""
    settings, store = shelf.settings, shelf.store
    consent.require(shelf, spec)
    urls, wanted, changed = order(shelf, spec, progress, cancel, allow_unverified=allow_unverified)
    make_room(shelf, spec, wanted.bytes * len(missing))
    target = store.resumable(spec.slug, "pt")
    require_space(store.root, wanted.bytes * _copies(spec, missing) - _allocated(target))
    partial = Partial(target, wanted.bytes, wanted.sha256)
    try:
        salvage(shelf, spec, "pt", partial)
        with told(spec, wanted, changed):
            digest = complete(
                partial, urls, settings.timeout, progress, retries=settings.retries, cancel=cancel
            )
    finally:
        partial.close()
    found = _taken_in(shelf, spec, target, digest, wanted, missing, progress)
    partial.discard_journal()
    return found


def _taken_in(
    shelf: Shelf,
    spec: ModelSpec,
    source: Path,
    digest: Digest,
    wanted: Known,
    missing: Sequence[str],
    progress: Progress | None,
) -> dict[str, Path]:
    """Publish a file that came whole: as the ``.pt``, or in another format or form than it has. Needs the lock."""
    store = shelf.store
    checkpoint = looked_into(spec, source, wanted)
    origin = provenance(spec.url, digest.sha256, "downloaded") | wanted._replace(bytes=digest.size).provenance
    before = store.known(spec.slug) or Manifest(spec)
    origin |= consent.note_of(before)
    manifest = Manifest(spec, origin, before.files, before.pinned)
    if checkpoint is None or is_kept(checkpoint):
        if "pt" not in missing:
            return {"h5": convert(shelf, spec, source, "h5", progress, manifest)}
        store.add(manifest, spec.slug, "pt", source, digest)
        return {"pt": store.path(spec.slug, "pt")}
    origin |= {"how": origin["how"] + CONVERTED, **checkpoint.origin}
    manifest = replace(manifest, provenance=origin)
    require_space(store.root, (digest.size + LEAF) * len(missing))
    with ExitStack() as stack:
        staged = {format: stack.enter_context(store.staging(spec.slug, format)) for format in missing}
        for number, (format, path) in enumerate(staged.items()):
            if progress:
                what = f"Writing {store.path(spec.slug, format).name}"
                progress(what, digest.size * number, digest.size * len(staged))
            checkpoint.save(format, path, spec.as_metadata())
        store.replace(manifest, spec.slug, staged)
    return {format: store.path(spec.slug, format) for format in missing}


def provenance(source: str, sha256: str, how: str) -> dict[str, str]:
    """Return where a model came from, dated now (UTC)."""
    return {
        "url": source,
        "sha256": sha256,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "how": how,
    }


def convert(
    shelf: Shelf,
    spec: ModelSpec,
    source: Path,
    format: str,
    progress: Progress | None = None,
    manifest: Manifest | None = None,
) -> Path:
    """Write a model's file in another format from ``source``; return where it is. Needs the model's lock.

    Indices that its network never reads are left out.
    """
    from ..formats.arrays import map_arrays

    store = shelf.store
    target = store.path(spec.slug, format)
    what = f"Writing {target.name}"
    size = source.stat().st_size
    require_space(store.root, size + LEAF)  # an .h5 is larger by its headers
    if progress:
        progress(what, 0, size)
    with store.staging(spec.slug, format) as staged:
        tensors = without_indices(map_arrays(source), spec.network)
        formats.get(format).save(tensors, staged, spec.as_metadata())
        store.add(manifest or store.known(spec.slug) or Manifest(spec), spec.slug, format, staged)
    if progress:
        progress(what, size, size)
    return target
