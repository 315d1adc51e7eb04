"""Where outputs go: a folder, or a store that fsspec knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..fetching import is_remote
from ..outputs import OUTPUTS
from ..outputs.publishing import Target
from .naming import folds_names, stem
from .sources.remote import file_system


class Sink(Protocol):
    """Says where the outputs of a picture go."""

    def targets(self, path: str) -> Mapping[str, Target]:
        """Return the file of each output, for a picture's path within its source."""

    def has(self, path: str) -> bool:
        """Tell whether all of them are there, as far as that can be said without asking a store."""


class Folder:
    """A folder, which is made when the first file is written."""

    def __init__(self, folder: Path, outputs: Sequence[str]) -> None:
        self.folder = folder
        self.outputs = outputs
        self._folds = folds_names(folder)

    def targets(self, path: str) -> dict[str, Target]:
        """See `Sink`."""
        name = stem(path, folds=self._folds)
        return {output: self.folder / f"{name}{OUTPUTS[output].suffix}" for output in self.outputs}

    def has(self, path: str) -> bool:
        """See `Sink`."""
        return all(Path(str(target)).is_file() for target in self.targets(path).values())


class Store:
    """A folder of a store, by its URL."""

    def __init__(self, url: str, outputs: Sequence[str]) -> None:
        self.url = url.rstrip("/")
        self.outputs = outputs
        file_system(self.url)  # what is wrong with the URL is said now

    def targets(self, path: str) -> dict[str, Target]:
        """See `Sink`."""
        name = stem(path)
        return {output: _Object(f"{self.url}/{name}{OUTPUTS[output].suffix}") for output in self.outputs}  # type: ignore[misc]  # as much of a stream as is used

    def has(self, path: str) -> bool:
        """See `Sink`."""
        return True


class _Object:
    """A file of a store, which gets all its bytes in one piece: a stream as far as outputs use one."""

    def __init__(self, url: str) -> None:
        self.url = self.name = url

    def write(self, data: Any) -> int:
        """Upload the file."""
        fs, path = file_system(self.url)
        try:
            if parent := path.rpartition("/")[0]:
                fs.makedirs(parent, exist_ok=True)
            fs.pipe_file(path, bytes(data))
        except OSError:
            raise
        except Exception as error:  # stores raise what they like, and outputs know OSError
            raise OSError(f"{type(error).__name__}: {error}") from error
        return len(data)

    def flush(self) -> None:
        """Do nothing: the bytes are there."""


def open_sink(out: str, outputs: Sequence[str]) -> Folder | Store:
    """Return the sink that a path or a URL means."""
    return Store(out, outputs) if is_remote(out) else Folder(Path(out), outputs)
