"""What is known of each download, in a small file of the cache directory, which all servers of that cache share.

A download belongs to no server. Each file says what a client wants of it, and whoever holds the lock of its model runs
it. So several processes see the same downloads, and one that was killed leaves nothing but work for the next.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..store import Store
from ..store.commit import is_forsaken, remove, write_bytes
from ..store.directory import DOWNLOADS
from ..store.locking import claim, held
from ..store.names import TENSOR_FORMATS, slug_of

WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED = (
    "waiting",
    "running",
    "paused",
    "done",
    "failed",
    "cancelled",
)
"""The states of a job."""
LIVE = (WAITING, RUNNING)
ENDED = (DONE, FAILED, CANCELLED)
STARTING = "starting"
"""The phase before there is any other."""
_FILE = re.compile(r"([0-9a-f]{16})\.json")
_PRIVATE = ("formats", "accept_licence", "allow_unverified", "wanted")


class UnknownDownload(UsageError):
    """No download has that number."""


def now() -> str:
    """Return the time, as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(frozen=True)
class Job:
    """One download of one model.

    Bytes are those of the ``phase``: what is fetched, then what is written of another format. ``rate_bytes`` is per
    second. ``error`` has error, message and remedy. ``wanted`` is the state that a client asked for last: `RUNNING`,
    `PAUSED` or `CANCELLED`.
    """

    id: str
    model: str
    slug: str
    state: str = WAITING
    phase: str = STARTING
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes: int = 0
    seconds_left: float | None = None
    error: dict[str, str] | None = None
    created: str = ""
    updated: str = ""
    formats: tuple[str, ...] = TENSOR_FORMATS
    accept_licence: bool = False
    allow_unverified: bool = False
    wanted: str = RUNNING

    def shown(self) -> dict[str, Any]:
        """Return what clients see of it."""
        return {name: value for name, value in asdict(self).items() if name not in _PRIVATE}


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("id", "model", "slug", "state", "phase", "created", "updated", "wanted"), str),
    **dict.fromkeys(("done_bytes", "total_bytes", "rate_bytes"), int),
    **dict.fromkeys(("accept_licence", "allow_unverified"), bool),
    "seconds_left": (int, float, type(None)),
    "error": (dict, type(None)),
    "formats": list,
}


def new_id() -> str:
    """Return a number that no other job has."""
    return secrets.token_hex(8)


class JobFiles:
    """The files of the jobs. What changes one holds the `turn`; a reader needs nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _root(self) -> Path:
        return self._store.root / DOWNLOADS

    def all(self) -> list[Job]:
        """Return every job, the oldest first."""
        try:
            names = sorted(path.name for path in self._root.iterdir())
        except OSError:  # nobody has asked for a download yet
            return []
        found = [job for name in names if (match := _FILE.fullmatch(name)) and (job := self.find(match[1]))]
        return sorted(found, key=lambda job: job.created)

    def find(self, id: str) -> Job | None:
        """Return a job, or None: also where its file is none of ours, or damaged."""
        if not _FILE.fullmatch(f"{id}.json"):
            return None
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError, UsageError):
            job = _parsed(id, (self._root / f"{id}.json").read_bytes())
            begun = job.state != PAUSED or any(slug == job.slug for slug, _ in self._store.partial())
            return (
                job if begun else replace(job, done_bytes=0)
            )  # upkeep of the cache may have removed what came
        return None

    def get(self, id: str) -> Job:
        """Return a job.

        Raises
        ------
        UnknownDownload
            When there is none.
        """
        if job := self.find(id):
            return job
        raise UnknownDownload("No download has this number", id[:100], "GET /api/downloads lists them.")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let nobody else change a job: what is read within is still so when it is written.

        Raises
        ------
        CacheNotWritable, CacheBusy
            When the cache cannot be written, or somebody does not let go.
        """
        with held(self._store.folder(DOWNLOADS) / ".turn.lock", self._store.timeout):
            yield

    def write(self, job: Job, *, durable: bool = True) -> None:
        """Replace a job's file, whole. Needs the turn. What is only progress waits for no disk."""
        folder = self._store.folder(DOWNLOADS)
        data = json.dumps(asdict(job), separators=(",", ":")).encode("ascii")
        write_bytes(folder / f"{job.id}.json", data, folder, durable=durable)

    def forget(self, job: Job) -> None:
        """Remove a job's file, and what killed writers left beside. Needs the turn."""
        remove(self._root / f"{job.id}.json")
        for path in self._root.iterdir():
            if is_forsaken(path):
                remove(path)

    def claim(self, slug: str) -> Callable[[], None] | None:
        """Take the right to run the download of a model; return what lets it go, or None: somebody has it."""
        return claim(self._store.folder(DOWNLOADS) / f"{slug}.lock")


def _parsed(id: str, data: bytes) -> Job:
    """Return the job of a file; fields that this version does not know are left out.

    Raises
    ------
    ValueError, TypeError, KeyError, UsageError
        When it is no job.
    """
    values = json.loads(data)
    known = {field.name: values[field.name] for field in fields(Job) if field.name in values}
    typed = all(isinstance(value, _TYPES[name]) for name, value in known.items())
    if not typed or known["id"] != id or slug_of(known["slug"]) != known["slug"]:
        raise ValueError("no job")
    return Job(**{**known, "formats": tuple(known.get("formats", TENSOR_FORMATS))})
