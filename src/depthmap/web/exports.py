"""Where an export that is asked for over HTTP may go: below one directory, under a format's own suffix."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..cache import ModelCache
from ..cache.transfer import EXPORTS
from ..errors import CacheBusy, ExportError, UsageError

# Not in a name on some system: control characters, lone surrogates, and what Windows takes for a drive, a stream,
# a separator or a wildcard.
NOT_PORTABLE = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff<>:"|?*\\]')


class ExportRefused(UsageError):
    """The export would leave the directory it is held to."""


class ExportDirectory:
    """The one directory that exports are written below.

    Parameters
    ----------
    root : Path
        It may be a link, and need not exist until something is exported.
    cache : ModelCache
        The models; its own directory is never written to by an export.
    """

    def __init__(self, root: Path, cache: ModelCache) -> None:
        self.root = root
        self.cache = cache
        self._writing: set[Path] = set()
        self._lock = threading.Lock()

    def export(self, name: str, export_path: str, format: str = "", *, overwrite: bool = False) -> Path:
        """Write a model; return where it is, absolute and free of links.

        Raises
        ------
        UnknownModel, ModelUnavailable
            When there is no such model, or it is not in the cache.
        ExportRefused, UsageError
            As of `place`.
        ExportError
            When the file exists and ``overwrite`` is False, or cannot be written.
        CacheBusy
            When another request is writing the same file.
        """
        spec = self.cache.spec(name)
        target, format = self.place(export_path, format)
        with self._alone(target):
            if target.exists() and not overwrite:
                raise ExportError(
                    "The file exists and was left as it is",
                    target,
                    'Choose another export_path, or send "overwrite": true.',
                )
            return self.cache.export(spec.name, target, format, replace=overwrite)

    def place(self, export_path: str, format: str = "") -> tuple[Path, str]:
        """Return the absolute path, links resolved, that an ``export_path`` means, and its format.

        Relative paths begin at the directory; the format follows the suffix where none is given.

        Raises
        ------
        ExportRefused
            When it lies outside the directory, by ``..``, as an absolute path or through a link, or in the cache.
        UsageError
            When it is no path, or its suffix is not that of the format.
        """
        root, target = self._resolved(export_path)
        if root not in target.parents:
            raise ExportRefused(
                "The path is outside the export directory",
                export_path,
                f"Name a file below {root}, or start the server with DEPTHMAP_EXPORT_DIR set to another directory.",
            )
        if self._in_cache(target):
            raise ExportRefused(
                "The path is inside the model cache",
                export_path,
                "Name a file elsewhere, or start the server with DEPTHMAP_EXPORT_DIR set to another directory.",
            )
        format = format.lower() or target.suffix.lower().lstrip(".")
        if format not in EXPORTS or target.suffix.lower() != f".{format}":
            wanted = (
                f".{format}" if format in EXPORTS else f"one of {', '.join(f'.{name}' for name in EXPORTS)}"
            )
            raise UsageError(
                "The path's suffix does not match the format", export_path, f"End the path in {wanted}."
            )
        return target, format

    def _resolved(self, export_path: str) -> tuple[Path, Path]:
        path = Path(export_path)
        if not path.name or any(NOT_PORTABLE.search(part) for part in path.relative_to(path.anchor).parts):
            raise UsageError(
                "export_path is not a path that works on every system",
                "",
                "Use letters, digits, '_', '-', '.', and '/' between directories.",
            )
        try:
            root = self.root.resolve()
            target = (root / path).resolve()
            target.exists()  # raises for names that are too long
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise UsageError("export_path cannot be resolved", export_path, "Give another path.") from error
        return root, target

    def _in_cache(self, target: Path) -> bool:
        """Tell whether a path lies in the cache; asked of the disk, since case may or may not matter there."""
        cache = self.cache.cache_dir
        return cache.exists() and any(parent.exists() and parent.samefile(cache) for parent in target.parents)

    @contextmanager
    def _alone(self, target: Path) -> Iterator[None]:
        """Keep two requests from both finding that a file is not there yet."""
        with self._lock:
            if target in self._writing:
                raise CacheBusy("Another request is writing this file", target, "Wait for it to end.")
            self._writing.add(target)
        try:
            yield
        finally:
            with self._lock:
                self._writing.discard(target)
