"""Filling the cache: download, and conversion from one format to another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from .. import formats
from ..catalog import ModelSpec
from ..checkpoints import without_indices
from ..download import Partial, Progress, allowed, complete, download, sources
from ..errors import CacheError, Cancelled, DownloadError, ModelUnavailable, UsageError
from ..store import Digest, Manifest
from ..store.commit import free_space, require_space
from ..store.digest import LEAF
from ..store.names import TENSOR_FORMATS
from . import consent
from .budget import make_room
from .check import whole_files
from .mending import salvage
from .shelf import Shelf

_LONGEST_WAIT = 3600.0
"""Seconds for another process to end its download of the same model."""


def fetch(
    shelf: Shelf,
    spec: ModelSpec,
    wanted: Sequence[str] = TENSOR_FORMATS,
    progress: Progress | None = None,
    cancel: Event | None = None,
) -> dict[str, Path]:
    """See to it that a model is cached in the ``wanted`` formats; return {format: path}.

    What is there and whole is not fetched again; a format is made from a sibling where that gives the same bytes.
    While another process fetches the same model, this one waits, with progress, and takes what that one made.

    Raises
    ------
    ModelUnavailable
        When there is no source, or the network may not be used.
    LicenceNotAccepted
        When the model's licence is to be accepted before a download.
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
        make_room(shelf, spec, spec.bytes * len(missing))
        if "pt" in missing or (missing and not whole_files(shelf, spec, ("pt",))):
            found |= _download(shelf, spec, missing, progress, cancel)
        for name in [name for name in missing if name not in found]:
            found[name] = convert(shelf, spec, shelf.cached(spec.slug)["pt"], name, progress)
        sweep(shelf, spec)
    return {name: found[name] for name in wanted}


def _known_formats(wanted: Sequence[str]) -> None:
    if unknown := set(wanted) - set(TENSOR_FORMATS):
        raise UsageError(f"{', '.join(sorted(unknown))} is not a format of the cache", "", "Use pt or h5.")


def _alone(shelf: Shelf, spec: ModelSpec, progress: Progress | None) -> AbstractContextManager[None]:
    """Hold the model's lock, telling how far the process is that has it."""
    partial = shelf.store.root / ".partial" / (shelf.store.path(spec.slug, "pt").name + ".part")

    def waiting() -> None:
        if progress:
            progress(
                f"Waiting for another process that downloads {spec.name}", _allocated(partial), spec.bytes
            )

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


def plan(shelf: Shelf, spec: ModelSpec, wanted: Sequence[str] = TENSOR_FORMATS) -> dict[str, Any]:
    """Return what `fetch` would do, without doing it or asking anybody.

    model; cached, missing (formats); sources (URLs in order); download_bytes, resumed_bytes (there already from an
    earlier run), write_bytes (room that is needed), free_bytes, fits; evicts (slugs that would have to go).

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
    needs_pt = "pt" in missing or (bool(missing) and "pt" not in cached)
    there = 0
    if needs_pt:
        there = _allocated(shelf.store.root / ".partial" / (shelf.store.path(spec.slug, "pt").name + ".part"))
    written = spec.bytes * len(set(missing) | ({"pt"} if needs_pt else set())) - there
    free = free_space(shelf.store.root)
    return {
        "model": spec.name,
        "cached": [name for name in wanted if name in cached],
        "missing": missing,
        "sources": source_urls(shelf, spec) if needs_pt else [],
        "download_bytes": spec.bytes - there if needs_pt else 0,
        "resumed_bytes": there,
        "write_bytes": written,
        "free_bytes": free,
        "fits": written <= free,
        "evicts": make_room(shelf, spec, spec.bytes * len(missing), dry_run=True),
    }


def ways_out(spec: ModelSpec) -> str:
    """Return what a user can do who has not got a model and cannot download it."""
    return (
        f"Run 'depthmap models download --model {spec.name}' when you are online, name a mirror in DEPTHMAP_MIRRORS, "
        "add a file with 'depthmap models import', or use the embedded model Depthmap_Tiny, which needs no download."
    )


def source_urls(shelf: Shelf, spec: ModelSpec) -> list[str]:
    """Return where a model's published checkpoint may be, in the order in which to ask.

    Raises
    ------
    ModelUnavailable
        When it has no source, or ``DEPTHMAP_OFFLINE`` forbids to ask it.
    """
    if not spec.url or not spec.sha256:
        raise ModelUnavailable(
            "the model is not cached, and no address to download it from is known", spec.name, ways_out(spec)
        )
    urls = allowed(sources(spec.url, spec.path, shelf.settings.mirrors), offline=shelf.settings.offline)
    if not urls:
        raise ModelUnavailable(
            "the model is not cached, and DEPTHMAP_OFFLINE forbids the download", spec.name, ways_out(spec)
        )
    return urls


def download_published(
    shelf: Shelf, spec: ModelSpec, target: Path, progress: Progress | None = None
) -> Digest:
    """Download a model's published checkpoint to ``target`` and verify it.

    Raises
    ------
    ModelUnavailable
        See `source_urls`.
    DownloadError
        When no source gave it; see `download.download`.
    """
    settings = shelf.settings
    urls = source_urls(shelf, spec)
    try:
        return download(
            urls, target, spec.bytes, spec.sha256, settings.timeout, progress, retries=settings.retries
        )
    except DownloadError as error:
        raise type(error)(error.what, spec.name, ways_out(spec)) from error


def _download(
    shelf: Shelf,
    spec: ModelSpec,
    wanted: Sequence[str],
    progress: Progress | None,
    cancel: Event | None = None,
) -> dict[str, Path]:
    """Fetch the published file, going on from what is there of it: an earlier run's bytes, a damaged file's leaves."""
    settings, store = shelf.settings, shelf.store
    urls = source_urls(shelf, spec)
    consent.require(shelf, spec)
    target = store.resumable(spec.slug, "pt")
    require_space(store.root, spec.bytes * len(set(wanted) | {"pt"}) - _allocated(target))
    partial = Partial(target, spec.bytes, spec.sha256)
    try:
        salvage(shelf, spec, "pt", partial)
        digest = complete(partial, urls, settings.timeout, progress, retries=settings.retries, cancel=cancel)
    except Cancelled as error:
        raise Cancelled(error.what, spec.name, error.remedy) from error
    except DownloadError as error:
        raise type(error)(error.what, spec.name, ways_out(spec)) from error
    finally:
        partial.close()
    manifest = store.known(spec.slug) or Manifest(spec)
    origin = provenance(spec.url, digest.sha256, "downloaded") | consent.note_of(manifest)
    manifest = Manifest(spec, origin, manifest.files, manifest.pinned)
    if "h5" in wanted and "pt" not in wanted:
        return {"h5": convert(shelf, spec, target, "h5", progress, manifest)}
    store.add(manifest, spec.slug, "pt", target, digest)
    partial.discard_journal()
    return {"pt": store.path(spec.slug, "pt")}


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
