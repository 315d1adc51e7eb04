"""Keeping the cache whole and small: verify, repair, optimise, evict, clear."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog import ModelSpec
from ..download import Progress
from ..errors import CacheBusy, DepthmapError, FileError, UnknownModel
from ..store import digest_file
from ..store.commit import writing
from ..store.names import TENSOR_FORMATS, file_name, parse
from .check import check, first_whole, set_aside
from .fetch import convert, fetch
from .report import MB, size_of
from .shelf import Shelf


def _spec(shelf: Shelf, slug: str) -> ModelSpec | None:
    with suppress(UnknownModel):
        return shelf.spec(slug)
    return None


def verify(shelf: Shelf, slugs: Iterable[str], progress: Progress | None = None) -> list[dict[str, Any]]:
    """Read every byte of the models' files; return {model, format, path, ok, error} for each. Changes no file."""
    results = []
    for slug in slugs:
        spec = _spec(shelf, slug)
        for format, path in shelf.cached(slug).items():
            if format == "pkl":
                error = _manifest_error(shelf, slug)
            elif spec is None:
                error = "its .pkl is missing or damaged, so nothing says what it is"
            else:
                error = _error(shelf, spec, format, progress)
            results.append(
                {"model": slug, "format": format, "path": str(path), "ok": not error, "error": error}
            )
    return results


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
    except (FileError, FileNotFoundError) as error:
        return str(error)
    return ""


def _manifest_error(shelf: Shelf, slug: str) -> str:
    try:
        shelf.store.manifest(slug)
    except FileError as error:
        return str(error)
    return ""


def repair(shelf: Shelf, spec: ModelSpec, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Replace a model's damaged files: from its whole sibling where that gives the same bytes, else by download.

    Returns {format, action} for each: "whole", "rewritten" or "downloaded".

    Raises
    ------
    DownloadError, ModelUnavailable
        When a file can be had from nowhere; the damaged one is then left in ``.damaged``.
    """
    before = [format for format in shelf.cached(spec.slug) if format in TENSOR_FORMATS]
    actions = []
    with shelf.store.lock(spec.slug):
        damaged = []
        for format in before:
            try:
                check(shelf, spec, format, every_byte=True)
            except FileError as error:
                set_aside(shelf, spec, format, error)
                damaged.append(format)
        for format in before:
            if format not in damaged:
                actions.append({"format": format, "action": "whole"})
            elif (sibling := first_whole(shelf, spec)) and not (format == "pt" and spec.sha256):
                convert(shelf, spec, sibling[1], format, progress)
                actions.append({"format": format, "action": "rewritten"})
            else:
                fetch(shelf, spec, (format,), progress)
                actions.append({"format": format, "action": "downloaded"})
    return actions


class _Tally:
    """What a clean-up did, in the words of `optimize_cache()`."""

    def __init__(self, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.checked = 0
        self.removed: list[str] = []
        self.freed = 0
        self.errors: list[str] = []

    def remove(self, path: Path) -> None:
        try:
            size = path.stat().st_size
            if not self.dry_run:
                with writing(path):
                    path.unlink(missing_ok=True)
        except FileNotFoundError:  # somebody else removed it
            return
        except (DepthmapError, OSError) as error:
            self.errors.append(str(error))
            return
        self.removed.append(str(path))
        self.freed += size

    def as_dict(self) -> dict[str, Any]:
        return {
            "files_checked": self.checked,
            "files_removed": len(self.removed),
            "space_freed_mb": round(self.freed / MB, 3),
            "errors": self.errors,
            "removed": self.removed,
        }


def optimize(shelf: Shelf, progress: Progress | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Remove corrupted files, duplicates under one name, and partial files that nobody is writing.

    Every byte is read. Files that are not ours are never touched. Returns files_checked, files_removed,
    space_freed_mb, errors, and removed (paths).
    """
    tally = _Tally(dry_run)
    for slug in shelf.store.files():
        _locked(shelf, slug, tally, lambda slug=slug: _clean_model(shelf, slug, tally, progress))  # type: ignore[misc]  # the default binds the loop's variable
    for path in _duplicates(shelf, tally):
        tally.remove(path)
    for slug, path in [*shelf.store.partial(), *shelf.store.aside()]:
        _locked(shelf, slug, tally, lambda path=path: tally.remove(path))  # type: ignore[misc]  # as above
    return tally.as_dict()


def _locked(shelf: Shelf, slug: str, tally: _Tally, action: Callable[[], None]) -> None:
    """Act while nobody else writes the model; what somebody is writing is left alone."""
    try:
        with shelf.store.lock(slug, timeout=0.1):
            action()
    except CacheBusy:
        return
    except DepthmapError as error:
        tally.errors.append(str(error))


def _clean_model(shelf: Shelf, slug: str, tally: _Tally, progress: Progress | None) -> None:
    for result in verify(shelf, [slug], progress):
        tally.checked += 1
        if not result["ok"] and (result["format"] == "pkl" or _spec(shelf, slug)):
            tally.remove(Path(result["path"]))
            if not tally.dry_run and result["format"] != "pkl":
                shelf.store.forget(slug, result["format"])
    if set(shelf.cached(slug)) == {"pkl"}:
        tally.remove(shelf.store.path(slug, "pkl"))


def _duplicates(shelf: Shelf, tally: _Tally) -> list[Path]:
    """Return the files whose names differ from ours by case alone and whose bytes do not differ."""
    found = []
    try:
        entries = sorted(shelf.store.root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    for path in entries:
        ours = parse(path.name.lower())
        if not ours or parse(path.name) or not path.is_file():
            continue
        tally.checked += 1
        twin = shelf.store.root / file_name(*ours)
        if twin.is_file() and not twin.samefile(path) and digest_file(twin) == digest_file(path):
            found.append(path)
    return found


def clear(shelf: Shelf) -> list[Path]:
    """Remove every model from the cache, and our partial and damaged files; return what went."""
    removed: list[Path] = []
    for slug in shelf.store.files():
        removed += delete(shelf, slug)
    for slug, path in [*shelf.store.partial(), *shelf.store.aside()]:
        with shelf.store.lock(slug), writing(path):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def delete(shelf: Shelf, slug: str) -> list[Path]:
    """Remove one model's files; return what went."""
    with shelf.store.lock(slug):
        return shelf.store.remove(slug)


def pin(shelf: Shelf, spec: ModelSpec, pinned: bool) -> None:
    """Keep a cached model from being evicted, or no longer.

    Raises
    ------
    UnknownModel
        When it is not cached.
    """
    with shelf.store.lock(spec.slug):
        manifest = shelf.store.known(spec.slug)
        if manifest is None:
            raise UnknownModel(
                "The model is not cached",
                spec.name,
                f"Run 'depthmap models download --model {spec.name}' first.",
            )
        shelf.store.write_manifest(spec.slug, replace(manifest, pinned=pinned))


def evict(shelf: Shelf, max_bytes: int, *, dry_run: bool = False) -> list[str]:
    """Remove the least recently used models until the cache holds at most ``max_bytes``; pinned ones stay.

    Returns the slugs that went. The cache may stay larger, when what is left is pinned.
    """
    files = shelf.store.files()
    sizes = {slug: sum(size_of(path) for path in paths.values()) for slug, paths in files.items()}
    total = sum(sizes.values())
    gone = []
    for slug in sorted(files, key=lambda slug: _last_used(shelf, slug, files[slug])):
        if total <= max_bytes:
            break
        manifest = shelf.store.known(slug)
        if manifest and manifest.pinned:
            continue
        if not dry_run:
            delete(shelf, slug)
        total -= sizes[slug]
        gone.append(slug)
    return gone


def _last_used(shelf: Shelf, slug: str, paths: dict[str, Path]) -> float:
    if used := shelf.store.last_used(slug):
        return used
    with suppress(FileNotFoundError):
        return max(path.stat().st_mtime for path in paths.values())
    return 0.0
