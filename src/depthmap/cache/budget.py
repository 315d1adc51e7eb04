"""How much the cache may hold, and which models go first."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..catalog import ModelSpec
from ..errors import BudgetExceeded, CacheBusy
from ..formats.mapping import is_mapped
from .shelf import Shelf


class Held(NamedTuple):
    """What one model takes in the directory that is written.

    ``nbytes`` are those that would be free without it: a file that two names share counts for neither.
    """

    slug: str
    nbytes: int
    last_used: float
    pinned: bool
    in_use: bool


def size_of(path: Path) -> int:
    """Return the size of a file in bytes: 0 when it has gone since it was listed."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def total_bytes(shelf: Shelf) -> int:
    """Return the bytes that the models take; a file under two names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for paths in shelf.store.files().values():
        for path in paths.values():
            with suppress(OSError):
                status = path.stat()
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _frees(paths: dict[str, Path]) -> int:
    total = 0
    for path in paths.values():
        with suppress(OSError):
            status = path.stat()
            total += status.st_size if status.st_nlink == 1 else 0
    return total


def held(shelf: Shelf) -> list[Held]:
    """Return the models of the directory that is written, the least recently used first."""
    found = []
    for slug, paths in shelf.store.files().items():
        manifest = shelf.store.known(slug) if "pkl" in paths else None
        in_use = any(is_mapped(path) for format, path in paths.items() if format != "pkl")
        pinned = bool(manifest and manifest.pinned)
        found.append(Held(slug, _frees(paths), _last_used(shelf, slug, paths), pinned, in_use))
    return sorted(found, key=lambda model: model.last_used)


def _last_used(shelf: Shelf, slug: str, paths: dict[str, Path]) -> float:
    if used := shelf.store.last_used(slug):
        return used
    with suppress(OSError):
        return max(path.stat().st_mtime for path in paths.values())
    return 0.0


def evict(shelf: Shelf, max_bytes: int, *, dry_run: bool = False, spare: str = "") -> list[str]:
    """Remove the least recently used models until the cache holds at most ``max_bytes``.

    Models that are pinned, that some process has mapped, that somebody is writing, and ``spare`` stay. Returns the
    slugs that went. The cache may stay larger.
    """
    gone: list[str] = []
    total = total_bytes(shelf)
    for model in held(shelf):
        if total <= max_bytes:
            break
        if model.pinned or model.in_use or model.slug == spare:
            continue
        if not dry_run:
            try:
                with shelf.store.lock_to_free(model.slug, timeout=0.1):
                    shelf.store.remove(model.slug)
            except CacheBusy:
                continue
            total = total_bytes(shelf)  # what a shared file frees depends on what went before
        else:
            total -= model.nbytes
        gone.append(model.slug)
    return gone


def make_room(shelf: Shelf, spec: ModelSpec, nbytes: int) -> list[str]:
    """Evict what must go for ``nbytes`` more of a model to fit into ``DEPTHMAP_CACHE_MAX_SIZE``; return what went.

    Raises
    ------
    BudgetExceeded
        When it cannot be made to fit; nothing is evicted then.
    """
    limit = shelf.settings.max_size
    if limit is None:
        return []
    going = evict(shelf, limit - nbytes, dry_run=True, spare=spec.slug)
    freed = sum(model.nbytes for model in held(shelf) if model.slug in going)
    total = total_bytes(shelf)
    if total - freed + nbytes > limit:
        raise BudgetExceeded(
            f"{nbytes / 1e6:.0f} MB more would make {(total - freed + nbytes) / 1e6:.0f} MB of at most "
            f"{limit / 1e6:.0f} MB, even without the {len(going)} models that may be evicted",
            shelf.store.root,
            "Raise DEPTHMAP_CACHE_MAX_SIZE, unpin or clear a model, or keep one format only (--format pt).",
        )
    return evict(shelf, limit - nbytes, spare=spec.slug)
