"""The cache directory as files: where each is, whether it is whole, how it is replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CacheBusy, FileError, ModelFileCorrupted
from . import names
from .commit import ensure_directory, publish, staged, write_bytes, writing
from .digest import Digest, Tick, damaged_leaves, digest_file
from .manifest import FileRecord, Manifest, Stamp

_PARTIAL, _LOCKS, _ASIDE, _USED = ".partial", ".locks", ".damaged", ".used"


class Store:
    """One cache directory.

    Readers take no lock: files are only ever replaced by rename. Whoever writes a model holds its `lock`.
    """

    def __init__(self, root: Path, timeout: float = 30.0) -> None:
        self.root = root
        self.timeout = timeout

    # -- what is there ------------------------------------------------------------------------------------

    def path(self, slug: str, format: str) -> Path:
        """Return where the file of a model is, or would be."""
        return self.root / names.file_name(slug, format)

    def files(self) -> dict[str, dict[str, Path]]:
        """Return {slug: {format: path}} of all models that have tensors or a manifest here, by name."""
        found: dict[str, dict[str, Path]] = {}
        try:
            entries = sorted(os.scandir(self.root), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        for entry in entries:
            parsed = names.parse(entry.name)
            if parsed and entry.is_file():
                found.setdefault(parsed[0], {})[parsed[1]] = Path(entry.path)
        order = {name: position for position, name in enumerate(names.FORMATS)}
        return {slug: dict(sorted(by.items(), key=lambda item: order[item[0]])) for slug, by in found.items()}

    def manifest(self, slug: str) -> Manifest | None:
        """Return what is known of a model, or None.

        Raises
        ------
        UnsafeFile, ModelFileCorrupted
            When its ``.pkl`` is no metadata.
        """
        try:
            return Manifest.load(self.path(slug, "pkl"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def known(self, slug: str) -> Manifest | None:
        """Return what is known of a model; None too when its ``.pkl`` is damaged: all in it can be found again."""
        with suppress(FileError):
            return self.manifest(slug)
        return None

    # -- is it whole --------------------------------------------------------------------------------------

    def record(self, slug: str, format: str) -> FileRecord | None:
        """Return the record of a file, or None."""
        manifest = self.known(slug)
        return manifest.files.get(format) if manifest else None

    def is_stamped(self, slug: str, format: str) -> bool:
        """Tell whether a file is, by size, time and inode, the one last verified."""
        record = self.record(slug, format)
        return record is not None and record.stamp == Stamp.of(self.path(slug, format))

    def verify(self, slug: str, format: str, tick: Tick | None = None) -> list[int]:
        """Read every byte of a recorded file; return the numbers of its damaged 1 MiB leaves.

        A whole file is stamped anew, where the cache can be written.

        Raises
        ------
        ModelFileCorrupted
            When its size is wrong, or nothing is recorded to compare it with.
        """
        path, record = self.path(slug, format), self.record(slug, format)
        if record is None:
            raise ModelFileCorrupted(
                "nothing is recorded to compare it with", path, "Run 'depthmap models repair'."
            )
        stamp = Stamp.of(path)
        if stamp.size != record.digest.size:
            raise ModelFileCorrupted(
                f"it has {stamp.size} bytes, {record.digest.size} are expected",
                path,
                "Run 'depthmap models repair'.",
            )
        damaged = damaged_leaves(path, record.digest.leaves, stamp.size, tick)
        if not damaged and stamp != record.stamp:
            with suppress(Exception):  # a read-only or busy cache is verified again next time, no more
                self.restamp(slug, format, record.digest, stamp)
        return damaged

    def restamp(self, slug: str, format: str, digest: Digest, stamp: Stamp) -> None:
        """Record that the file with this stamp has this digest."""
        with self.lock(slug, timeout=1):
            manifest = self.known(slug)
            if manifest and Stamp.of(self.path(slug, format)) == stamp:
                self.write_manifest(slug, manifest.with_file(format, FileRecord(digest, stamp)))

    # -- changing it --------------------------------------------------------------------------------------

    @contextmanager
    def lock(self, slug: str, timeout: float | None = None) -> Iterator[None]:
        """Hold the writers' lock of one model, over threads and processes; a thread that holds it may take it again.

        Raises
        ------
        CacheBusy
            When it cannot be had within the time-out.
        CacheNotWritable
            When the cache directory cannot be written.
        """
        import filelock

        directory = ensure_directory(self.root / _LOCKS)
        lock = filelock.FileLock(directory / f"{slug}.lock", is_singleton=True)
        try:
            with writing(directory):
                lock.acquire(timeout=self.timeout if timeout is None else timeout)
        except filelock.Timeout as error:
            raise CacheBusy(
                f"another process is writing {slug}",
                self.root,
                "Wait for it to end, or raise DEPTHMAP_TIMEOUT (seconds).",
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self, slug: str, format: str) -> Iterator[Path]:
        """Yield a path on the cache's disk to write a file to before `add`; what is left there is removed."""
        with staged(self.root / _PARTIAL, names.file_name(slug, format)) as path:
            yield path

    def add(
        self, manifest: Manifest, slug: str, format: str, source: Path, digest: Digest | None = None
    ) -> Manifest:
        """Publish a staged file as a model's ``format``; return the manifest that knows it. Needs the lock.

        The file comes first, then the ``.pkl``: a process killed between the two leaves a whole file that is
        verified at its first use.
        """
        digest = digest or digest_file(source)
        target = self.path(slug, format)
        publish(source, target)
        updated = manifest.with_file(format, FileRecord(digest, Stamp.of(target)))
        self.write_manifest(slug, updated)
        return updated

    def write_manifest(self, slug: str, manifest: Manifest) -> None:
        """Replace a model's ``.pkl``. Needs the lock."""
        write_bytes(self.path(slug, "pkl"), manifest.dumps(), self.root / _PARTIAL)

    def set_aside(self, slug: str, format: str) -> Path | None:
        """Move a damaged file out of the way; return where it is now, or None if it is gone or cannot be moved."""
        path = self.path(slug, format)
        try:
            target = ensure_directory(self.root / _ASIDE) / f"{path.name}.{time.time_ns()}"
            os.replace(path, target)
        except Exception:  # a read-only cache keeps its damaged file; the load goes on without it
            return None
        return target

    def forget(self, slug: str, format: str) -> None:
        """Drop a file from the manifest. Needs the lock."""
        manifest = self.known(slug)
        if manifest and format in manifest.files:
            self.write_manifest(slug, manifest.without_file(format))

    def remove(self, slug: str) -> list[Path]:
        """Unlink a model's files and return what went; those who have them mapped keep their pages. Needs the lock.

        The ``.pkl`` goes last, so that a removal that was cut short is seen and can be repeated.
        """
        removed = []
        for format in names.FORMATS:
            path = self.path(slug, format)
            with writing(self.root):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue
            removed.append(path)
        with suppress(OSError):
            (self.root / _USED / slug).unlink()
        return removed

    # -- litter and use -----------------------------------------------------------------------------------

    def litter(self, folder: str) -> list[tuple[str, Path]]:
        """Return (slug, path) of the files in ``.partial`` or ``.damaged`` that are ours."""
        try:
            entries = list((self.root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        parsed = ((names.parse(".".join(p.name.split(".")[:-1])), p) for p in sorted(entries) if p.is_file())
        return [(ours[0], path) for ours, path in parsed if ours]

    def partial(self) -> list[tuple[str, Path]]:
        """Return the partial files there are; those whose model's lock is free are nobody's."""
        return self.litter(_PARTIAL)

    def aside(self) -> list[tuple[str, Path]]:
        """Return the damaged files that were set aside."""
        return self.litter(_ASIDE)

    def touch(self, slug: str) -> None:
        """Note that a model was used now; a cache that cannot be written does not mind."""
        with suppress(OSError):
            mark = self.root / _USED / slug
            mark.parent.mkdir(exist_ok=True)
            mark.touch()

    def last_used(self, slug: str) -> float:
        """Return when a model was last used, in seconds since the epoch: 0 if never."""
        try:
            return (self.root / _USED / slug).stat().st_mtime
        except OSError:
            return 0.0
