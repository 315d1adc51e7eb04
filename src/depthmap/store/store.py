"""The models of a cache directory: what is known of them, whether they are whole, how they are replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace as changed
from pathlib import Path

from ..errors import (
    CacheError,
    CacheNotReadable,
    FileError,
    InsufficientDiskSpace,
    ModelFileCorrupted,
)
from . import names
from .commit import is_forsaken, link, publish, reading, settle, write_bytes
from .digest import Digest, Tick, damaged_leaves, digest_file
from .directory import ASIDE, LOCKS, PARTIAL, RESUMABLE, USED, Directory
from .last_read import LastRead
from .locking import held
from .manifest import FileRecord, Manifest, Stamp

_STALE = 7 * 86_400
"""Seconds after which nobody comes back to an interrupted download or a damaged file."""


class Store(Directory):
    """One cache directory, and what is known of its files. Whoever writes a model holds its `lock`."""

    def __init__(self, root: Path, timeout: float = 30.0) -> None:
        super().__init__(root)
        self.timeout = timeout
        self._manifests = LastRead()

    # -- what is known ------------------------------------------------------------------------------------

    def manifest(self, slug: str) -> Manifest | None:
        """Return what is known of a model, or None.

        Raises
        ------
        UnsafeFile, ModelFileCorrupted
            When its ``.pkl`` is no metadata.
        CacheNotReadable
            When it may not be read.
        """
        path = self.path(slug, "pkl")
        try:
            with reading(path):
                manifest = self._manifests.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._in_place(slug, manifest)

    def _in_place(self, slug: str, manifest: Manifest) -> Manifest:
        """Return the manifest whose files are in place, where a writer was killed between the ``.pkl`` and them."""
        before = manifest.previous
        if before is None or self._has_one_of(slug, manifest) or not self._has_one_of(slug, before):
            return manifest
        return before

    def _has_one_of(self, slug: str, manifest: Manifest) -> bool:
        records = manifest.files.items()
        return any(record.stamp.is_same_file(self._stamp(slug, format)) for format, record in records)

    def _stamp(self, slug: str, format: str) -> Stamp | None:
        try:
            return Stamp.of(self.path(slug, format))
        except OSError:
            return None

    def known(self, slug: str) -> Manifest | None:
        """Return what is known of a model; None too when its ``.pkl`` is damaged: all in it can be found again."""
        with suppress(FileError, CacheNotReadable, OSError):
            return self.manifest(slug)
        return None

    # -- is it whole --------------------------------------------------------------------------------------

    def record(self, slug: str, format: str) -> FileRecord | None:
        """Return the record of a file, or None."""
        manifest = self.known(slug)
        return manifest.files.get(format) if manifest else None

    def is_stamped(self, slug: str, format: str) -> bool:
        """Tell whether a file is, by size, times and inode, the one last verified."""
        record = self.record(slug, format)
        return record is not None and record.stamp == self._stamp(slug, format)

    def is_left_over(self, slug: str, format: str) -> bool:
        """Tell whether a file is one that its model's other files have replaced: a writer was killed on the way."""
        manifest = self.known(slug)
        before = manifest.previous.files.get(format) if manifest and manifest.previous else None
        stamp = self._stamp(slug, format)
        current = manifest.files.get(format) if manifest else None
        replaced = before is not None and before.stamp.is_same_file(stamp)
        return replaced and (current is None or not current.stamp.is_same_file(stamp))

    def verify(self, slug: str, format: str, tick: Tick | None = None) -> list[int]:
        """Read every byte of a recorded file; return the numbers of its damaged 1 MiB leaves.

        A whole file is stamped anew, where the cache can be written.

        Raises
        ------
        ModelFileCorrupted
            When its size is wrong, or nothing is recorded to compare it with.
        CacheNotReadable
            When it may not be read.
        """
        path, record = self.path(slug, format), self.record(slug, format)
        if record is None:
            raise ModelFileCorrupted(
                "the cache has no record to compare it with", path, "Run 'depthmap models repair'."
            )
        stamp = Stamp.of(path)
        if stamp.size != record.digest.size:
            raise ModelFileCorrupted(
                f"it has {stamp.size} bytes instead of {record.digest.size}",
                path,
                "Run 'depthmap models repair'.",
            )
        with reading(path):
            damaged = damaged_leaves(path, record.digest.leaves, stamp.size, tick)
        if not damaged and stamp != record.stamp:
            with suppress(Exception):  # a read-only or busy cache is verified again next time, no more
                self.restamp(slug, format, record.digest, stamp)
        return damaged

    def restamp(self, slug: str, format: str, digest: Digest, stamp: Stamp) -> None:
        """Record that the file with this stamp has this digest."""
        with self.lock(slug, timeout=1):
            manifest = self.known(slug)
            if manifest and self._stamp(slug, format) == stamp:
                known = manifest.files.get(format)
                if known is None or known.digest != digest:
                    known = FileRecord.of(self.path(slug, format), format, digest, stamp)
                self.write_manifest(slug, manifest.with_file(format, known._replace(stamp=stamp)))

    # -- changing it --------------------------------------------------------------------------------------

    @contextmanager
    def lock(
        self, slug: str, timeout: float | None = None, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Hold the writers' lock of one model (see `locking.held`), and clear up after writers that were killed."""
        path = self.folder(LOCKS) / f"{slug}.lock"
        with held(path, self.timeout if timeout is None else timeout, waiting):
            for owner, left in self.partial():
                if owner == slug:
                    with suppress(OSError, CacheError):
                        self._clear_up(left)
            yield

    def _clear_up(self, left: Path) -> None:
        """Put a file in place that a writer was about to when it was killed, or remove what else it was writing."""
        slug, format = names.origin(left.name) or ("", "")
        record, target = self.record(slug, format), self.path(slug, format)
        if record and not target.exists() and record.stamp.is_same_file(Stamp.of(left)):
            publish(left, target)
        elif is_forsaken(left):
            left.unlink()

    @contextmanager
    def lock_to_free(self, slug: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the writers' lock of one model in order to remove something.

        On a disk so full that not even a lock's file can be made, it does without: else nothing could be freed.
        """
        with ExitStack() as stack:
            with suppress(InsufficientDiskSpace):
                stack.enter_context(self.lock(slug, timeout))
            yield

    def add(
        self, manifest: Manifest, slug: str, format: str, source: Path, digest: Digest | None = None
    ) -> Manifest:
        """Publish a staged file as a model's ``format``; return the manifest that knows it. Needs the lock."""
        return self.replace(manifest, slug, {format: source}, {format: digest} if digest else {})

    def replace(
        self,
        manifest: Manifest,
        slug: str,
        sources: Mapping[str, Path],
        digests: Mapping[str, Digest] | None = None,
    ) -> Manifest:
        """Publish staged files as a model's; return the manifest that knows them. Needs the lock.

        The ``.pkl`` is written first, and says what was before as long as that may still be in place; so a process
        killed anywhere leaves the model as it was, or as it is to be (see `Manifest.previous`). It is written again
        when the files are in place, with the stamps that they have there.
        """
        before = self.known(slug)
        records = {}
        for format, source in sources.items():
            settle(source)
            digest = (digests or {}).get(format) or digest_file(source)
            self._share(slug, format, source, digest)
            records[format] = FileRecord.of(source, format, digest, Stamp.of(source).staged())
        after = changed(manifest, files={**manifest.files, **records}, previous=None)
        replaces = before is not None and _differ(before, after)
        transition = changed(after, previous=changed(before, previous=None)) if before and replaces else after
        self.write_manifest(slug, transition)
        for format, source in sources.items():
            self.put(source, self.path(slug, format))
        for format in set(before.files) - set(after.files) if before else ():
            self.unlink(self.path(slug, format))
        stamped = {f: r._replace(stamp=Stamp.of(self.path(slug, f))) for f, r in records.items()}
        after = changed(after, files={**after.files, **stamped})
        self.write_manifest(slug, after)
        return after

    def _share(self, slug: str, format: str, source: Path, digest: Digest) -> None:
        """Let a staged file be one with an equal, whole file of another name, where the disk has hard links."""
        twins = (t for t in self.equal_files(digest) if t[:2] != (slug, format))
        for other, kind, twin in twins:
            if not damaged_leaves(twin, digest.leaves, digest.size) and link(twin, source):
                with suppress(CacheError):  # the link changed its ctime; else it is hashed at its next use
                    self.restamp(other, kind, digest, Stamp.of(twin))
                return

    def equal_files(self, digest: Digest) -> Iterator[tuple[str, str, Path]]:
        """Yield slug, format and path of the files that have this digest by their records and stamps."""
        for slug, paths in self.files().items():
            manifest = self.known(slug) if "pkl" in paths else None
            for format, record in manifest.files.items() if manifest else ():
                if record.digest == digest and record.stamp == self._stamp(slug, format):
                    yield slug, format, self.path(slug, format)

    def write_manifest(self, slug: str, manifest: Manifest) -> None:
        """Replace a model's ``.pkl``. Needs the lock."""
        write_bytes(self.path(slug, "pkl"), manifest.dumps(), self.folder(PARTIAL))

    def set_aside(self, slug: str, format: str) -> Path | None:
        """Move a damaged file out of the way; return where it is now, or None if it is gone or cannot be moved.

        What is recorded of it stays, so that its sound leaves can be used. Needs the lock.
        """
        path = self.path(slug, format)
        try:
            target = self.folder(ASIDE) / f"{path.name}.{time.time_ns()}"
            os.replace(path, target)
        except Exception:  # a read-only cache keeps its damaged file; the load goes on without it
            return None
        return target

    def forget(self, slug: str, format: str) -> None:
        """Drop a file from the manifest. Needs the lock."""
        manifest = self.known(slug)
        if manifest and format in manifest.files:
            self.write_manifest(slug, manifest.without_file(format))

    def remove(self, slug: str, but: Collection[str] = ()) -> list[Path]:
        """Remove a model's files, ``but`` those of some formats, and return what went. Needs the lock.

        The ``.pkl`` goes last, so that a removal that was cut short is seen and can be repeated.
        """
        going = (self.path(slug, format) for format in names.FORMATS if format not in but)
        removed = [path for path in going if self.unlink(path)]
        with suppress(OSError):
            (self.root / USED / slug).unlink()
        self.note_network(slug, "")
        return removed

    # -- what lies beside ---------------------------------------------------------------------------------

    def is_stale(self, path: Path) -> bool:
        """Tell whether nobody will come back to a partial or damaged file that nobody is writing.

        What can be resumed or mended is kept for a week; everything else has no use from the start.
        """
        useful = RESUMABLE in path.name or path.parent.name == ASIDE
        ours = names.origin(path.name)
        if ours and self.is_stamped(*ours):  # the file that it would become is there
            return True
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            return False
        return not useful or age > _STALE


def _differ(before: Manifest, after: Manifest) -> bool:
    """Tell whether something that was recorded before is no longer what it was."""
    if before.spec != after.spec:
        return True
    return any(
        format not in after.files or after.files[format].digest != record.digest
        for format, record in before.files.items()
    )
