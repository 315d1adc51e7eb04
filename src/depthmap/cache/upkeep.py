"""Keeping the cache whole: verify, repair, clear, pin."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

from ..catalog import ModelSpec
from ..download import Progress
from ..errors import (
    CacheNotReadable,
    Cancelled,
    DepthmapError,
    DownloadError,
    FileError,
    ModelFileCorrupted,
    UnknownModel,
    UsageError,
)
from ..store import Manifest
from ..store.names import TENSOR_FORMATS
from .budget import size_of
from .check import check, first_whole
from .digests import known, of_pt
from .fetch import convert, fetch, sweep
from .mending import mend
from .shelf import Shelf


def spec_of(shelf: Shelf, slug: str) -> ModelSpec | None:
    """Return what a model of the cache is, or None where nothing tells."""
    with suppress(UnknownModel):
        return shelf.spec(slug)
    return None


def verify(shelf: Shelf, slugs: Iterable[str], progress: Progress | None = None) -> list[dict[str, Any]]:
    """Read every byte of the models' files; return {model, format, path, ok, error} for each. Changes no file."""
    results = []
    for slug in slugs:
        for place in shelf.places:
            results += _verify(place, slug, progress)
    return results


def _verify(shelf: Shelf, slug: str, progress: Progress | None) -> list[dict[str, Any]]:
    spec = spec_of(shelf, slug)
    results = []
    for format, path in shelf.cached(slug).items():
        if format == "pkl":
            error = _manifest_error(shelf, slug)
        elif spec is None:
            error = str(_unknown(slug, path))
        else:
            error = _error(shelf, spec, format, progress)
        results.append({"model": slug, "format": format, "path": str(path), "ok": not error, "error": error})
    return results


def _unknown(slug: str, path: Path) -> ModelFileCorrupted:
    """Return the error of a file of which nothing says what model it is."""
    return ModelFileCorrupted(
        "its .pkl is missing or damaged, so nothing says which network it is",
        path,
        f"Remove it with 'depthmap models clear --model {slug}', and import the model again.",
    )


def _error(shelf: Shelf, spec: ModelSpec, format: str, progress: Progress | None) -> str:
    path = shelf.store.path(spec.slug, format)
    done, size = 0, size_of(path)

    def tick(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress:
            progress(f"Verifying {path.name}", done, size)

    try:
        check(shelf, spec, format, every_byte=True, tick=tick)
    except (FileError, CacheNotReadable, FileNotFoundError) as error:
        return str(error)
    return ""


def _manifest_error(shelf: Shelf, slug: str) -> str:
    try:
        shelf.store.manifest(slug)
    except (FileError, CacheNotReadable) as error:
        return str(error)
    return ""


def repair(
    shelf: Shelf, spec: ModelSpec, progress: Progress | None = None, cancel: Event | None = None
) -> list[dict[str, Any]]:
    """Replace a model's damaged files, also those that were set aside.

    Returns for each file of the directory that is written {format, action, leaves, bytes_fetched}. ``leaves`` are the
    1 MiB leaves that no file of the cache had any more; the action is "whole", "mended" (from the sibling), "fetched"
    (those leaves, by ranges), "rewritten" (from the sibling, when its header was lost too) or "downloaded" (all of it).

    Raises
    ------
    DownloadError, ModelUnavailable
        When a file can be had from nowhere; the damaged one is then left in ``.damaged``.
    """
    with shelf.store.lock(spec.slug):
        outcomes = []
        for format in TENSOR_FORMATS:
            there = _is_damaged(shelf, spec, format)
            if there is not None:
                done = _replace(shelf, spec, format, progress, cancel) if there else _outcome("whole")
                outcomes.append({"format": format, **done})
        sweep(shelf, spec)
        return outcomes


def _outcome(action: str, leaves: int = 0, fetched: int = 0) -> dict[str, Any]:
    return {"action": action, "leaves": leaves, "bytes_fetched": fetched}


def _is_damaged(shelf: Shelf, spec: ModelSpec, format: str) -> bool | None:
    """Tell whether a model's file is damaged, or was and is set aside; None when there is none to be repaired.

    One in a directory that is not written counts when it is damaged and no other directory has a whole one: the
    copy goes where it can be written.
    """
    try:
        if check(shelf, spec, format, every_byte=True):
            return False
    except FileError:
        return True
    if shelf.store.set_aside_of(spec.slug, format):
        return True
    damaged = None
    for place in shelf.places:
        try:
            if check(place, spec, format, every_byte=True):
                return None
        except FileError:
            damaged = True
    return damaged


def _replace(
    shelf: Shelf, spec: ModelSpec, format: str, progress: Progress | None, cancel: Event | None
) -> dict[str, Any]:
    """Put a whole file in place of a damaged one, with as few bytes from elsewhere as will do."""
    failure: DepthmapError | None = None
    if record := next((r for place in shelf.places if (r := place.store.record(spec.slug, format))), None):
        try:
            done = mend(shelf, spec, format, record, progress, cancel)
            action = "fetched" if done["bytes_fetched"] else "mended"
            return _outcome(action, done["leaves"], done["bytes_fetched"])
        except DownloadError as error:
            failure = error
    if shelf.store.path(spec.slug, format).is_file():
        shelf.store.set_aside(spec.slug, format)
    if isinstance(failure, Cancelled):
        raise failure
    sibling = first_whole(shelf, spec, every_byte=True)  # or else its damage would be recorded as whole
    if sibling and not (format == "pt" and of_pt(shelf, spec)):
        convert(shelf, spec, sibling[1], format, progress)
        return _outcome("rewritten")
    if failure and not spec.url:
        raise failure
    fetch(shelf, spec, (format,), progress, cancel)
    held = known(shelf, spec)
    return _outcome("downloaded", fetched=held.bytes if held else 0)


def clear(shelf: Shelf) -> list[Path]:
    """Remove every model from the directory that is written, and our partial and damaged files; return what went."""
    removed: list[Path] = []
    for slug in shelf.store.files():
        removed += delete(shelf, slug)
    for slug in {slug for slug, _ in [*shelf.store.partial(), *shelf.store.aside()]}:
        removed += delete(shelf, slug)
    return removed


def delete(shelf: Shelf, slug: str) -> list[Path]:
    """Remove one model's files, partial and damaged ones too; return what went."""
    with shelf.store.lock_to_free(slug):
        litter = [path for owner, path in [*shelf.store.partial(), *shelf.store.aside()] if owner == slug]
        return shelf.store.remove(slug) + [path for path in litter if shelf.store.unlink(path)]


def pin(shelf: Shelf, spec: ModelSpec, pinned: bool) -> None:
    """Keep a cached model from being evicted, or no longer.

    Raises
    ------
    UsageError
        When it is in a directory that is not written, from which nothing is evicted.
    UnknownModel
        When it is not cached.
    """
    if spec.slug not in shelf.store.files():
        _require_absent(shelf, spec)
        remedy = f"Run 'depthmap models download --model {spec.name}' first."
        raise UnknownModel("The model is not cached", spec.name, remedy)
    with shelf.store.lock(spec.slug):
        manifest = shelf.store.known(spec.slug) or Manifest(spec)
        shelf.store.write_manifest(spec.slug, replace(manifest, pinned=pinned))


def _require_absent(shelf: Shelf, spec: ModelSpec) -> None:
    for place in shelf.places:
        if spec.slug in place.store.files():
            raise UsageError(
                f"{spec.name} is in a cache directory that depthmap does not write to",
                place.store.root,
                "You need not pin it: nothing is ever evicted there.",
            )
