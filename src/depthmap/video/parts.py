"""The pieces of a film that is being made: what is finished of it survives a kill.

They lie in a hidden folder beside the film. A piece of `GROUP` frames counts once its ``.npz`` is there, which is
written last and holds what the next piece needs. The films of the pieces are joined in the end (`joining`).
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ..errors import ExportError, UsageError
from ..outputs.publishing import publish
from .running import State

COLUMNS = ("time", "duration", "scale", "shift", "low", "high", "shot")
"""What is kept of each frame: its time and duration in ticks, its scale and shift, its range, and its shot."""
_STATE = "state_"


class Parts:
    """The folder of the pieces of the film at ``path``."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_name(f".{path.name}.parts")
        self._about = self.folder / "about.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others away from the folder, which is made.

        Raises
        ------
        ExportError
            When another process is at work in it, or it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ExportError(
                "Another process is making this film", self.folder, "Wait for it, or name another file."
            ) from error
        except OSError as error:
            raise ExportError(
                f"The folder for the pieces cannot be made: {error.strerror}", self.folder, "Write elsewhere."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, about: dict[str, Any], *, resume: bool) -> int:
        """Return how many pieces are there already; without ``resume`` they are removed.

        Raises
        ------
        UsageError
            When the pieces are of another film, or were made otherwise than ``about`` says.
        """
        if resume and self._about.exists():
            before = json.loads(self._about.read_text(encoding="utf-8"))
            if other := [name for name in about if about[name] != before.get(name)]:
                raise UsageError(
                    f"What is there of this film was made otherwise: it differs in {', '.join(other)}",
                    self.folder,
                    "Give the same options as before, or leave out --resume to begin anew.",
                )
            return next(number for number in count() if not self._numbers(number).exists())
        for path in self.folder.iterdir():
            if path.name == "lock":
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        publish(self._about, lambda stream: _write(stream, json.dumps(about, indent=2).encode()))
        return 0

    def film(self, number: int, name: str) -> Path:
        """Return where a piece of a film is."""
        return self.folder / f"{number:06d}.{name}.nut"

    def frames(self, name: str) -> Path:
        """Return the folder of a sequence's frames."""
        return self.folder / name

    def finish(self, number: int, state: State | None, rows: NDArray[np.float64]) -> None:
        """Let a piece count: its films are whole, ``rows`` (frames, `COLUMNS`) are its numbers."""
        for path in self.folder.glob(f"{number:06d}.*.nut"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        arrays = {_STATE + name: array for name, array in state.arrays().items()} if state else {}
        publish(self._numbers(number), partial(_save, arrays={"rows": rows, **arrays}))

    def state(self, number: int) -> State | None:
        """Return what was known after a piece."""
        arrays = self._load(number)
        kept = {name.removeprefix(_STATE): array for name, array in arrays.items() if name.startswith(_STATE)}
        return State.of(kept) if kept else None

    def rows(self, number: int) -> NDArray[np.float64]:
        """Return the numbers of a piece's frames."""
        rows: NDArray[np.float64] = self._load(number)["rows"]
        return rows

    def remove(self) -> None:
        """Remove the folder: the film is made."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _numbers(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def _load(self, number: int) -> dict[str, NDArray[Any]]:
        try:
            with self._numbers(number).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return dict(archive)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ExportError(
                f"A piece of the film is damaged: {error}",
                self._numbers(number),
                "Begin anew, without --resume.",
            ) from error


def _save(stream: IO[bytes], arrays: dict[str, Any]) -> None:
    np.savez(stream, **arrays)


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)
