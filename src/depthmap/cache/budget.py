"""How much the cache may hold, and which models go first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..catalog import ModelSpec
from ..errors import BudgetExceeded, CacheBusy
from ..store.digest import LEAF
from .record import of_provenance
from .shelf import Shelf


class Held(NamedTuple):
    """What one model takes in the directory that is written.

    ``files`` are sizes by device and inode, so that a file that two names share can be told. ``kept`` are those that an
    eviction leaves: the record of a digest that nobody publishes, to which the model is held when it comes again.
    """

    slug: str
    files: dict[tuple[int, int], int]
    last_used: float
    pinned: bool
    in_use: bool
    kept: dict[tuple[int, int], int]


def size_of(path: Path) -> int:
    """Return the size of a file in bytes: 0 when it has gone since it was listed."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def total_bytes(shelf: Shelf) -> int:
    """Return the bytes that the models take; a file under two names counts once."""
    return _union(map(_files, shelf.store.files().values()))


def _union(files: Iterable[Mapping[tuple[int, int], int]]) -> int:
    return sum({inode: size for of_one in files for inode, size in of_one.items()}.values())


def _files(paths: Mapping[str, Path]) -> dict[tuple[int, int], int]:
    found = {}
    for path in paths.values():
        with suppress(OSError):
            status = path.stat()
            found[status.st_dev, status.st_ino] = status.st_size
    return found


def held(shelf: Shelf, without: Collection[str] = ()) -> list[Held]:
    """Return the models of the directory that is written, the least recently used first.

    The files ``without`` which it is asked for are not looked at.
    """
    from ..formats.leases import is_mapped  # listings need none

    found = []
    for slug, there in shelf.store.files().items():
        paths = {format: path for format, path in there.items() if str(path) not in without}
        if not paths:
            continue
        manifest = shelf.store.known(slug) if "pkl" in paths else None
        in_use = any(is_mapped(path) for format, path in paths.items() if format != "pkl")
        pinned = bool(manifest and manifest.pinned)
        record = {"pkl": paths["pkl"]} if manifest and of_provenance(manifest.provenance) else {}
        used = _last_used(shelf, slug, paths)
        found.append(Held(slug, _files(paths), used, pinned, in_use, _files(record)))
    return sorted(found, key=lambda model: model.last_used)


def _last_used(shelf: Shelf, slug: str, paths: dict[str, Path]) -> float:
    if used := shelf.store.last_used(slug):
        return used
    with suppress(OSError):
        return max(path.stat().st_mtime for path in paths.values())
    return 0.0


def evict(
    shelf: Shelf, max_bytes: int, *, dry_run: bool = False, spare: str = "", without: Collection[str] = ()
) -> list[str]:
    """Remove the least recently used models until the cache holds at most ``max_bytes``.

    Models that are pinned, that some process has mapped, that somebody is writing, and ``spare`` stay. Returns the
    slugs that went. The cache may stay larger. A rehearsal may be told of files ``without`` which to count.
    """
    return _evict(shelf, max_bytes, dry_run=dry_run, spare=spare, without=without)[0]


def _evict(
    shelf: Shelf, max_bytes: int, *, dry_run: bool, spare: str, without: Collection[str] = ()
) -> tuple[list[str], int]:
    """Do what `evict` does; return also the bytes that are left. What a shared file frees goes with its last name."""
    gone: list[str] = []
    left = {model.slug: model for model in held(shelf, without)}
    for model in list(left.values()):
        if bytes_of(left.values()) <= max_bytes:
            break
        if model.pinned or model.in_use or model.slug == spare or model.files == model.kept:
            continue
        if not dry_run and not _remove(shelf, model):
            continue
        left[model.slug] = model._replace(files=model.kept)
        gone.append(model.slug)
    return gone, bytes_of(left.values())


def bytes_of(models: Iterable[Held]) -> int:
    """Return the bytes that models take together."""
    return _union(model.files for model in models)


def _remove(shelf: Shelf, model: Held) -> bool:
    """Remove a model's files, unless somebody is writing them."""
    try:
        with shelf.store.lock_to_free(model.slug, timeout=0.1):
            shelf.store.remove(model.slug, but=("pkl",) if model.kept else ())
    except CacheBusy:
        return False
    return True


def make_room(shelf: Shelf, spec: ModelSpec, nbytes: int, *, dry_run: bool = False) -> list[str]:
    """Evict what must go for ``nbytes`` more of a model to fit into ``DEPTHMAP_CACHE_MAX_SIZE``; return what went.

    With ``dry_run`` return what would go.

    Raises
    ------
    BudgetExceeded
        When it cannot be made to fit; nothing is evicted then.
    """
    limit = shelf.settings.max_size
    if limit is None or not nbytes:
        return []
    nbytes += LEAF  # its .pkl, and the headers of its .h5
    going, left = _evict(shelf, limit - nbytes, dry_run=True, spare=spec.slug)
    if left + nbytes > limit:
        raise BudgetExceeded(
            f"with {nbytes / 1e6:.0f} MB more the cache would have {(left + nbytes) / 1e6:.0f} MB, even after evicting "
            f"{len(going)} models, but its limit is {limit / 1e6:.0f} MB",
            shelf.store.root,
            "Raise DEPTHMAP_CACHE_MAX_SIZE, unpin or clear a model, or keep only one format (--format pt).",
        )
    return going if dry_run else evict(shelf, limit - nbytes, spare=spec.slug)
