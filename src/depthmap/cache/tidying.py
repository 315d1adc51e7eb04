"""The sum of all upkeep: what is damaged is mended or removed, what is double or of no use goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..catalog import ModelSpec
from ..download import Progress, allowed
from ..errors import CacheBusy, CacheNotWritable, DepthmapError
from ..store import FileRecord, Store, digest_file
from ..store.commit import is_forsaken, link
from ..store.digest import damaged_leaves
from ..store.names import TENSOR_FORMATS, file_name, parse
from .budget import evict, size_of
from .mending import is_mendable, mend, repair_urls
from .record import of_provenance
from .shelf import Shelf
from .upkeep import spec_of, verify

MB = 1e6


class _Tally:
    """What a clean-up did, in the words of `optimize_cache()`, and in ours."""

    def __init__(self, store: Store, dry_run: bool) -> None:
        self.store = store
        self.dry_run = dry_run
        self.checked = 0
        self.removed: list[str] = []
        self.repaired: list[str] = []
        self.shared: list[str] = []
        self.evicted: list[str] = []
        self.freed = 0
        self.errors: list[str] = []
        self._names: Counter[tuple[int, int]] = Counter()

    def remove(self, path: Path) -> None:
        if str(path) in self.removed:
            return
        try:
            status = path.stat()
            if not self.dry_run:
                self.store.unlink(path)
        except FileNotFoundError:  # somebody else removed it
            return
        except (DepthmapError, OSError) as error:
            self.errors.append(str(error))
            return
        inode = status.st_dev, status.st_ino
        names = status.st_nlink - self._names[inode]
        self._names[inode] += self.dry_run  # else the name is gone, and the system no longer counts it
        self.note(path, status.st_size if names == 1 else 0)

    def note(self, path: Path, freed: int) -> None:
        self.removed.append(str(path))
        self.freed += freed

    def as_dict(self) -> dict[str, Any]:
        return {
            "files_checked": self.checked,
            "files_removed": len(self.removed),
            "space_freed_mb": round(self.freed / MB, 3),
            "errors": self.errors,
            "removed": self.removed,
            "repaired": self.repaired,
            "shared": self.shared,
            "evicted": self.evicted,
        }


def optimize(shelf: Shelf, progress: Progress | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Make the directory that is written whole and small. Every byte is read; files that are not ours stay.

    Damaged files are mended, from their sibling or by ranges, else removed. Metadata without tensors, duplicates that
    differ by the case of their names, and partial and damaged files that nobody will come back to are removed. Equal
    files of two models become one, where the disk has hard links. What is over the budget is evicted.

    Returns files_checked, files_removed, space_freed_mb, errors; removed, repaired, shared (paths), evicted (slugs).
    With ``dry_run`` nothing is changed, and the same is said of what would be. No lock is taken then: what another
    process is just writing may be named too.
    """
    tally = _Tally(shelf.store, dry_run)
    for slug in shelf.store.files():
        _locked(shelf, slug, tally, partial(_clean_model, shelf, slug, tally, progress))
    for path in _doubles(shelf, tally):
        tally.remove(path)
    _share_equals(shelf, tally)
    for slug, path in [*shelf.store.partial(), *shelf.store.aside()]:
        if shelf.store.is_stale(path):
            _locked(shelf, slug, tally, partial(tally.remove, path))
    if shelf.settings.max_size is not None:
        going = {*tally.removed, *tally.shared} if dry_run else ()
        tally.evicted = evict(shelf, shelf.settings.max_size, dry_run=dry_run, without=going)
    return tally.as_dict()


def _locked(shelf: Shelf, slug: str, tally: _Tally, action: Callable[[], None]) -> None:
    """Act while nobody else writes the model; what somebody is writing is left alone.

    The lock clears up after writers that were killed, which counts as removed.
    """
    forsaken = [
        (path, size_of(path)) for owner, path in shelf.store.partial() if owner == slug and is_forsaken(path)
    ]
    try:
        with nullcontext() if tally.dry_run else shelf.store.lock_to_free(slug, timeout=0.1):
            for path, size in forsaken:
                if str(path) not in tally.removed and (tally.dry_run or not path.exists()):
                    tally.note(path, size)
            action()
    except CacheBusy:
        return
    except DepthmapError as error:
        tally.errors.append(str(error))


class _Seen(Store):
    """A store that is looked at: what would be noted on the way, such as a new stamp of a whole file, is not."""

    @contextmanager
    def lock(
        self, slug: str, timeout: float | None = None, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Refuse; whoever only takes notes does without."""
        raise CacheNotWritable("a dry run changes nothing", self.root)
        yield

    def is_stamped(self, slug: str, format: str) -> bool:
        """Say yes: every byte is read anyway, and nothing is to be noted in the user's own notes either."""
        return True


class _Rehearsal(Shelf):
    """The shelf of one directory that stays as it is."""

    @cached_property
    def store(self) -> Store:
        """The files of the directory."""
        return _Seen(self.settings.cache_dir, self.settings.timeout)


def _clean_model(shelf: Shelf, slug: str, tally: _Tally, progress: Progress | None) -> None:
    spec = spec_of(shelf, slug)
    for format in TENSOR_FORMATS:
        if shelf.store.is_left_over(slug, format):
            tally.remove(shelf.store.path(slug, format))
    looked_at = _Rehearsal(shelf.here.settings) if tally.dry_run else shelf.here
    results = verify(looked_at, [slug], progress)
    has_whole = any(result["ok"] and result["format"] in TENSOR_FORMATS for result in results)
    for result in results:
        tally.checked += 1
        format, path = result["format"], Path(result["path"])
        if result["ok"] or not path.is_file():
            continue
        if format == "pkl":
            tally.remove(path)
        elif spec and not _mended(shelf, spec, format, tally, progress, needed=not has_whole):
            tally.remove(path)
            if not tally.dry_run:
                shelf.store.forget(slug, format)
    left = {
        format: path for format, path in shelf.here.cached(slug).items() if str(path) not in tally.removed
    }
    if not set(left) & set(TENSOR_FORMATS):
        manifest = shelf.store.known(slug)
        if manifest and of_provenance(manifest.provenance):  # the model is held to it when it comes again
            left.pop("pkl", None)
        for path in left.values():
            tally.remove(path)


def _mended(
    shelf: Shelf, spec: ModelSpec, format: str, tally: _Tally, progress: Progress | None, *, needed: bool
) -> bool:
    """Mend a damaged file where that needs no more than its damaged leaves; return whether it is, or would be, done.

    Where it fails for now (a full disk, a server that is down), it raises for a file that is ``needed``: the only one
    with the model's tensors, whose sound leaves are of use another time.
    """
    record = shelf.store.record(spec.slug, format) if format in TENSOR_FORMATS else None
    if record is None or not _is_worth_mending(shelf, spec, format, record):
        return False
    if not tally.dry_run:
        try:
            mend(shelf, spec, format, record, progress)
        except DepthmapError as error:
            if needed:
                raise
            tally.errors.append(str(error))
            begun = shelf.store.resumable(spec.slug, format).name
            for _, path in shelf.store.partial():
                if path.name.startswith(begun):
                    shelf.store.unlink(path)
            return False
    tally.repaired.append(str(shelf.store.path(spec.slug, format)))
    return True


def _is_worth_mending(shelf: Shelf, spec: ModelSpec, format: str, record: FileRecord) -> bool:
    if is_mendable(shelf, spec, format, record):
        return True
    return bool(allowed(repair_urls(shelf, spec, format, record), offline=shelf.settings.offline))


def _doubles(shelf: Shelf, tally: _Tally) -> list[Path]:
    """Return the files whose names differ from ours by case alone and whose bytes do not differ."""
    found = []
    try:
        entries = sorted(shelf.store.root.iterdir())
    except OSError:
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


def _share_equals(shelf: Shelf, tally: _Tally) -> None:
    """Let equal files of two models be one file."""
    for slug, paths in shelf.store.files().items():
        manifest = shelf.store.known(slug) if "pkl" in paths else None
        for format, record in manifest.files.items() if manifest else ():
            for other, kind, twin in list(shelf.store.equal_files(record.digest)):
                path = shelf.store.path(slug, format)
                if (other, kind) < (slug, format) and path.is_file() and not path.samefile(twin):
                    _locked(shelf, slug, tally, partial(_share, shelf, slug, format, twin, record, tally))
                    break


def _share(shelf: Shelf, slug: str, format: str, twin: Path, record: FileRecord, tally: _Tally) -> None:
    if damaged_leaves(twin, record.digest.leaves, record.digest.size):
        return
    path = shelf.store.path(slug, format)
    if not tally.dry_run:
        manifest = shelf.store.known(slug)
        with shelf.store.staging(slug, format) as staged:
            staged.touch()
            if manifest is None or not link(twin, staged):
                return
            shelf.store.add(manifest, slug, format, staged, record.digest)
    tally.shared.append(str(path))
    tally.freed += record.digest.size
