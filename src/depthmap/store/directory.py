"""The cache directory as a place: where files are, how they appear and go, what lies beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CacheError, CacheNotWritable
from . import names
from .commit import ensure_directory, forsaken, is_file, publish, remove, staged, writing

PARTIAL, LOCKS, ASIDE, USED, NETWORKS = ".partial", ".locks", ".damaged", ".used", ".networks"
DOWNLOADS = ".downloads"
"""What servers know of the downloads that they were asked for; see `depthmap.web.jobs`."""
RESUMABLE = ".part"
"""What a download adds to the name of the file that it will be; such a file is kept when it is interrupted."""


class Directory:
    """One cache directory, as far as names tell.

    Readers take no lock: files are only ever replaced by rename.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, slug: str, format: str) -> Path:
        """Return where the file of a model is, or would be."""
        return self.root / names.file_name(slug, format)

    def files(self) -> dict[str, dict[str, Path]]:
        """Return {slug: {format: path}} of all models that have tensors or a manifest here, by name."""
        found: dict[str, dict[str, Path]] = {}
        try:
            entries = sorted(os.scandir(self.root), key=lambda entry: entry.name)
        except OSError:  # not there, or not to be read: nothing in it can be used
            return {}
        for entry in entries:
            parsed = names.parse(entry.name)
            if parsed and _is_file(entry):
                found.setdefault(parsed[0], {})[parsed[1]] = Path(entry.path)
        order = {name: position for position, name in enumerate(names.FORMATS)}
        return {slug: dict(sorted(by.items(), key=lambda item: order[item[0]])) for slug, by in found.items()}

    def folder(self, name: str) -> Path:
        """Return one of our folders; whoever may write to the cache may write to it."""
        folder = self.root / name
        with writing(folder):
            if not folder.is_dir():
                ensure_directory(folder)
                with suppress(OSError):
                    folder.chmod(os.stat(self.root).st_mode & 0o7777)
        return folder

    @contextmanager
    def staging(self, slug: str, format: str) -> Iterator[Path]:
        """Yield a path on the cache's disk to write a file to before `add`; what is left there is removed."""
        with staged(self.folder(PARTIAL), names.file_name(slug, format)) as path:
            yield path

    def resumable(self, slug: str, format: str) -> Path:
        """Return where the bytes of a download are gathered, over as many runs as it takes. Needs the lock."""
        return self.folder(PARTIAL) / (names.file_name(slug, format) + RESUMABLE)

    def put(self, source: Path, target: Path) -> None:
        """Make a staged file appear under its name, whole, in place of what was there."""
        try:
            publish(source, target)
        except CacheNotWritable:
            if not self._retire(target):
                raise
            publish(source, target)

    def unlink(self, path: Path) -> bool:
        """Remove a file of ours; return whether it was there. Those who have it mapped keep its pages.

        Raises
        ------
        CacheNotWritable
            When it cannot be.
        """
        try:
            return remove(path)
        except CacheNotWritable:
            if not self._retire(path):
                raise
            return True

    def _retire(self, path: Path) -> bool:
        """Give a file another name, by which the next writer removes it; return whether it could be done.

        Windows does not let a file that somebody has mapped be replaced or removed, but it can be renamed.
        """
        ours = names.parse(path.name) or names.origin(path.name)
        if ours is None or not is_file(path):  # a directory of that name is somebody's
            return False
        try:
            os.replace(path, self.folder(PARTIAL) / forsaken(names.file_name(*ours)))
        except (OSError, CacheError):
            return False
        return True

    def litter(self, folder: str) -> list[tuple[str, Path]]:
        """Return (slug, path) of the files in ``.partial`` or ``.damaged`` that are ours."""
        try:
            entries = sorted(path for path in (self.root / folder).iterdir() if path.is_file())
        except OSError:
            return []
        return [(slug, path) for path in entries if (slug := (names.origin(path.name) or ("",))[0])]

    def partial(self) -> list[tuple[str, Path]]:
        """Return the partial files there are; those whose model's lock is free are nobody's."""
        return self.litter(PARTIAL)

    def aside(self) -> list[tuple[str, Path]]:
        """Return the damaged files that were set aside."""
        return self.litter(ASIDE)

    def set_aside_of(self, slug: str, format: str) -> list[Path]:
        """Return the files of a model and format that were set aside, the latest first."""
        prefix = names.file_name(slug, format) + "."
        return [
            path for owner, path in reversed(self.aside()) if owner == slug and path.name.startswith(prefix)
        ]

    def touch(self, slug: str) -> None:
        """Note that a model was used now; a cache that cannot be written does not mind."""
        with suppress(OSError):
            mark = self.root / USED / slug
            mark.parent.mkdir(exist_ok=True)
            mark.touch()

    def note_network(self, slug: str, network: str) -> None:
        """Note of which network a model is, for files that do not tell when their ``.pkl`` is lost; "" forgets it."""
        with suppress(OSError, CacheError):
            if network:
                (self.folder(NETWORKS) / slug).write_text(network, encoding="ascii")
            else:
                (self.root / NETWORKS / slug).unlink(missing_ok=True)

    def noted_network(self, slug: str) -> str:
        """Return the network that was noted, else "" (whoever uses it checks that there is such a one)."""
        with suppress(OSError, ValueError):
            return (self.root / NETWORKS / slug).read_text(encoding="ascii")
        return ""

    def last_used(self, slug: str) -> float:
        """Return when a model was last used, in seconds since the epoch: 0 if never."""
        try:
            return (self.root / USED / slug).stat().st_mtime
        except OSError:
            return 0.0


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file, or a link to one; most systems tell without another look at the disk."""
    try:
        return entry.is_file()
    except OSError:
        return False
