"""What a disk holds after the power failed: of what a killed process did, only what it had synced is certain."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .places import Event

DATA, NAMES = "data", "names"
"""Losses: the bytes that were not synced; these, and the names whose directory was not synced."""


@dataclass
class _File:
    """What of a file was written since it was last synced, as (offset, length); ``synced`` bytes are certain."""

    dirty: list[tuple[int, int]] = field(default_factory=list)
    synced: int = 0
    end: int = 0


class _Replay:
    """Follows files by name through the events."""

    def __init__(self) -> None:
        self.files: dict[str, _File] = {}
        self.names: list[Event] = []

    def follow(self, event: Event) -> None:
        """Take in the next event."""
        handle = getattr(self, f"_{event.operation}", None)
        if handle:
            handle(event)
        if event.operation in ("rename", "unlink", "link", "symlink"):
            self.names.append(event)

    def _create(self, event: Event) -> None:
        self.files[event.path] = _File()

    def _write(self, event: Event) -> None:
        file = self.files.setdefault(event.path, _File(synced=-1))
        file.dirty.append((event.offset, event.length))
        file.end = max(file.end, event.offset + event.length)

    _copy = _write

    def _truncate(self, event: Event) -> None:
        if file := self.files.get(event.path):
            file.end = event.offset

    def _fsync(self, event: Event) -> None:
        self.names = [name for name in self.names if event.path not in _directories(name)]
        if file := self.files.get(event.path):
            file.dirty, file.synced = [], file.end

    def _rename(self, event: Event) -> None:
        moved = self.files.pop(event.path, None)
        self.files.pop(event.other, None)
        if moved:
            self.files[event.other] = moved

    def _unlink(self, event: Event) -> None:
        self.files.pop(event.path, None)


def lose(happened: Iterable[Event], loss: str) -> None:
    """Let the power fail after these events: change the files as the worst disk would.

    Unsynced bytes become zeros, and a file that was never synced becomes empty. With ``NAMES`` every rename, link and
    removal since its directory was synced is undone too, the last first.
    """
    replay = _Replay()
    for event in happened:
        replay.follow(event)
    for path, file in replay.files.items():
        if file.dirty:
            _lose_bytes(Path(path), file)
    if loss == NAMES:
        for event in reversed(replay.names):
            _undo(event)


def _directories(event: Event) -> set[str]:
    """Return the directories of which one, synced, makes an event certain: a rename is one change, not two."""
    names = (event.path, event.other) if event.operation == "rename" else (event.path,)
    return {str(Path(name).parent) for name in names}


def _lose_bytes(path: Path, file: _File) -> None:
    if not path.is_file():
        return
    before = path.stat()
    with path.open("r+b") as stream:
        for offset, length in file.dirty:
            stream.seek(offset)
            stream.write(bytes(length))
        if file.synced == 0:
            stream.truncate(0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the time may well have reached the disk


def _undo(event: Event) -> None:
    path = Path(event.path)
    if event.operation == "rename":
        os.replace(event.other, path)
        if event.kept:
            os.link(event.kept, event.other)
    elif event.operation == "unlink":
        if event.kept and not path.exists():
            os.link(event.kept, path)
    else:
        path.unlink()
