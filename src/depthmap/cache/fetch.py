"""Filling the cache: download, and conversion from one format to another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from .. import formats
from ..catalog import ModelSpec
from ..download import Progress, download, sources
from ..errors import DownloadError, FileError, ModelUnavailable, UsageError
from ..store import Digest, Manifest
from ..store.commit import require_space
from ..store.names import TENSOR_FORMATS
from .check import check, set_aside
from .shelf import Shelf

_LONGEST_WAIT = 3600.0  # seconds for another process to end its download of the same model


def fetch(
    shelf: Shelf, spec: ModelSpec, wanted: Sequence[str] = TENSOR_FORMATS, progress: Progress | None = None
) -> dict[str, Path]:
    """See to it that a model is cached in the ``wanted`` formats; return {format: path}.

    What is there and whole is not fetched again; a format is made from a sibling where that gives the same bytes.

    Raises
    ------
    ModelUnavailable
        When there is no source, or the network may not be used.
    DownloadError, InsufficientDiskSpace, CacheNotWritable
        As they come.
    """
    if unknown := set(wanted) - set(TENSOR_FORMATS):
        raise UsageError(f"{', '.join(sorted(unknown))} is no format of the cache", "", "Use pt or h5.")
    if not shelf.cached(spec.slug):
        source_urls(shelf, spec)  # before a directory is made for nothing
    with shelf.store.lock(spec.slug, timeout=_LONGEST_WAIT):
        missing = [name for name in wanted if not _whole(shelf, spec, name)]
        if "pt" in missing or (missing and not _whole(shelf, spec, "pt")):
            _download(shelf, spec, missing, progress)
            missing = [name for name in missing if not shelf.store.path(spec.slug, name).is_file()]
        for name in missing:
            convert(shelf, spec, shelf.store.path(spec.slug, "pt"), name, progress)
    return {name: shelf.store.path(spec.slug, name) for name in wanted}


def _whole(shelf: Shelf, spec: ModelSpec, format: str) -> bool:
    try:
        return check(shelf, spec, format) is not None
    except FileError as error:
        set_aside(shelf, spec, format, error)
        return False


def ways_out(spec: ModelSpec) -> str:
    """Return what a user can do who has not got a model and cannot download it."""
    return (
        f"When online, run 'depthmap models download --model {spec.name}'; DEPTHMAP_MIRRORS names a mirror; "
        "'depthmap models import' takes a file; or use the embedded model Depthmap_Tiny, which needs no download."
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
            "the model is not cached, and nothing says where it can be downloaded", spec.name, ways_out(spec)
        )
    urls = sources(spec.url, spec.path, shelf.settings.mirrors)
    if shelf.settings.offline:
        urls = [url for url in urls if url.startswith("file:")]
    if not urls:
        raise ModelUnavailable(
            "it is not cached, and DEPTHMAP_OFFLINE forbids the download", spec.name, ways_out(spec)
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
    urls = source_urls(shelf, spec)
    try:
        return download(urls, target, spec.bytes, spec.sha256, shelf.settings.timeout, progress)
    except DownloadError as error:
        raise type(error)(error.what, spec.name, ways_out(spec)) from error


def _download(shelf: Shelf, spec: ModelSpec, wanted: Sequence[str], progress: Progress | None) -> None:
    require_space(shelf.store.root, spec.bytes * len(set(wanted) | {"pt"}))
    with shelf.store.staging(spec.slug, "pt") as staged:
        digest = download_published(shelf, spec, staged, progress)
        manifest = shelf.store.known(spec.slug) or Manifest(spec)
        origin = provenance(spec.url, digest.sha256, "downloaded")
        manifest = Manifest(spec, origin, manifest.files, manifest.pinned)
        if "h5" in wanted and "pt" not in wanted:
            convert(shelf, spec, staged, "h5", progress, manifest)
        else:
            shelf.store.add(manifest, spec.slug, "pt", staged, digest)


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
) -> None:
    """Write a model's file in another format from ``source``. Needs the model's lock."""
    what = f"Writing {shelf.store.path(spec.slug, format).name}"
    size = source.stat().st_size
    require_space(shelf.store.root, size)
    if progress:
        progress(what, 0, size)
    with shelf.store.staging(spec.slug, format) as staged:
        formats.get(format).save(formats.load(source), staged, {"spec": spec.to_dict()})
        shelf.store.add(manifest or shelf.store.known(spec.slug) or Manifest(spec), spec.slug, format, staged)
    if progress:
        progress(what, size, size)
