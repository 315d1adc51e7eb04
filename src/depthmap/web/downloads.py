"""Downloads that go on by themselves: started, paused and ended by clients, run by whichever server is free."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from anyio.to_thread import run_sync

from ..cache import ModelCache, consent
from ..catalog import ModelSpec
from ..errors import CacheError, Cancelled, DepthmapError, UnknownModel, UsageError
from ..store.names import TENSOR_FORMATS
from .jobs import (
    CANCELLED,
    DONE,
    ENDED,
    FAILED,
    LIVE,
    PAUSED,
    RUNNING,
    STARTING,
    WAITING,
    Job,
    JobFiles,
    UnknownDownload,
    new_id,
    now,
)
from .progress import Meter

log = logging.getLogger("uvicorn.error")
_AT_ONCE = 3
"""Downloads that one process runs at a time."""
_LOOK = 1.0
"""Seconds after which a server looks whether another one has left work."""
_AGAIN = 10.0
"""Seconds after which a download is tried again whose state could not be written."""
_HEED = 5.0
"""Seconds that a client who pauses or cancels waits for the process that runs the download."""
_TICK = 0.05


class Downloads:
    """The downloads of a cache, and the threads of this process that run some of them."""

    def __init__(self, cache: ModelCache) -> None:
        self.cache = cache
        self.files = JobFiles(cache.shelf.store)
        self.stopped = threading.Event()
        """Set when the server is told to stop."""
        self._wake = threading.Event()
        self._runs: dict[str, _Run] = {}
        self._watcher: threading.Thread | None = None

    # -- what clients ask for -------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        formats: Sequence[str] = TENSOR_FORMATS,
        *,
        accept_licence: bool = False,
        allow_unverified: bool = False,
    ) -> Job:
        """Begin a download and return it; where the model has one that has not ended, that one, which then goes on.

        Raises
        ------
        UnknownModel, UsageError
            When there is no such model, or it ships with depthmap.
        ModelUnavailable
            When it has no source, or the network may not be used.
        LicenceNotAccepted
            When its licence is to be accepted before.
        BudgetExceeded, CacheNotWritable
            When it would not fit, or nothing can be written.
        """
        spec = self.cache.spec(name)
        if spec.embedded:
            raise UsageError("The model ships with depthmap", spec.name, "There is nothing to download.")
        there, missing = (0, 0) if self._of(spec) else self._planned(spec, formats, accept_licence)
        with self.files.turn():
            if job := self._of(spec):
                job = replace(job, wanted=RUNNING, state=WAITING if job.state == PAUSED else job.state)
            else:
                for old in self.files.all():
                    if old.slug == spec.slug:
                        self.files.forget(old)
                job = Job(
                    new_id(),
                    spec.name,
                    spec.slug,
                    done_bytes=there,
                    total_bytes=there + missing,
                    created=now(),
                    formats=tuple(formats),
                    accept_licence=accept_licence,
                    allow_unverified=allow_unverified,
                )
            job = self._written(job)
        self._wake.set()
        return job

    def _planned(self, spec: ModelSpec, formats: Sequence[str], accepted: bool) -> tuple[int, int]:
        """Return the bytes that are there of a download and those that are to come, if it may begin."""
        plan = self.cache.plan_download(spec.name, formats)
        if plan["sources"] and not accepted and consent.is_due(self.cache.shelf, spec):
            consent.refuse(self.cache.settings, spec)
        return plan["resumed_bytes"], plan["download_bytes"]

    def _of(self, spec: ModelSpec) -> Job | None:
        """Return the download of a model that has not ended, or None."""
        return next(
            (job for job in self.files.all() if job.slug == spec.slug and job.state not in ENDED), None
        )

    def _written(self, job: Job) -> Job:
        """Write a job, dated now, and return it. Needs the turn."""
        job = replace(job, updated=now())
        self.files.write(job)
        return job

    def pause(self, id: str) -> Job:
        """Stop a download, which can go on later, and return it.

        Raises
        ------
        UnknownDownload, UsageError
            When there is none, or it has ended.
        """
        return self._ask(id, PAUSED)

    def resume(self, id: str) -> Job:
        """Let a download go on that was paused or has failed, and return it.

        Raises
        ------
        UnknownDownload, UsageError
            When there is none, or it is done or cancelled.
        """
        with self.files.turn():
            job = self.files.get(id)
            if job.state in (DONE, CANCELLED):
                raise _over(job)
            idle = job.state in (PAUSED, FAILED)
            job = self._written(
                replace(job, wanted=RUNNING, state=WAITING if idle else job.state, error=None)
            )
        self._wake.set()
        return job

    def cancel(self, id: str) -> Job:
        """End a download and remove what came of it; forget one that has ended. Return it as it was at last.

        Raises
        ------
        UnknownDownload
            When there is none.
        """
        with self.files.turn():
            job = self.files.get(id)
            if job.state in ENDED:
                self.files.forget(job)
        if job.state not in ENDED:
            return self._ask(id, CANCELLED)
        if job.state == FAILED:
            self._discard(job)
        return job

    def _ask(self, id: str, wanted: str) -> Job:
        """Note what is wanted of a download, see that it is heeded, and return it."""
        with self.files.turn():
            job = self.files.get(id)
            if job.state in ENDED:
                raise _over(job)
            self._written(replace(job, wanted=wanted))
        if run := self._runs.get(id):
            run.cancel.set()
        end = time.monotonic() + _HEED
        while True:
            if release := self.files.claim(job.slug):
                try:
                    return self.settle(id)
                finally:
                    release()
            job = self.files.find(id) or job
            if job.state == wanted or job.state in ENDED or time.monotonic() > end:
                return job
            time.sleep(_TICK)

    def settle(self, id: str) -> Job:
        """Make a download's state that which is wanted; whoever calls it has claimed its model, and runs nothing.

        One that is to run waits for a process that does, unless this one is about to end: then it stays as if it were
        running, for the next server.
        """
        job = self.files.get(id)
        if job.state not in ENDED and job.wanted == CANCELLED:
            self._discard(job)
        with self.files.turn():
            job = self.files.get(id)
            if job.state in ENDED:
                return job
            state = job.wanted if job.wanted != RUNNING else RUNNING if self.stopped.is_set() else WAITING
            empty = state == CANCELLED
            return self._written(
                replace(
                    job,
                    state=state,
                    done_bytes=0 if empty else job.done_bytes,
                    rate_bytes=0,
                    seconds_left=None,
                )
            )

    def _discard(self, job: Job) -> None:
        """Remove what came of a download, unless another process goes on with it."""
        from ..cache.fetch import discard

        with suppress(CacheError, UnknownModel):
            discard(self.cache.shelf, self.cache.spec(job.slug))

    # -- running them ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Run downloads for as long as an application does; those that it leaves go on with the next."""
        self._watcher = threading.Thread(target=self._watch, name="downloads")
        self._watcher.start()
        try:
            yield
        finally:
            await run_sync(self.stop)

    def stop(self) -> None:
        """Let every download go, and wait until it has."""
        self.stopped.set()
        self._wake.set()
        if self._watcher:
            self._watcher.join()
        for run in list(self._runs.values()):
            run.cancel.set()
            run.join()

    def _watch(self) -> None:
        """Take up what nobody runs: new downloads, and those of processes that are gone."""
        while not self.stopped.is_set():
            self._wake.clear()
            try:
                for job in self.files.all():
                    if job.state in LIVE:
                        self._take_up(job)
            except Exception:  # a disk that fails for a while must not end all downloads for ever
                log.exception("the downloads could not be looked at")
            self._wake.wait(_LOOK)

    def _take_up(self, job: Job) -> None:
        """Run a download, unless somebody does, there are enough, or its model is in none of our catalogues."""
        if job.id in self._runs or len(self._runs) >= _AT_ONCE or self.stopped.is_set():
            return
        with suppress(UnknownModel, CacheError):
            self.cache.spec(job.slug)
            if release := self.files.claim(job.slug):
                run = self._runs[job.id] = _Run(self, job.id, release)
                run.start()

    def ended(self, id: str) -> None:
        """Forget a thread that is about to end, and look for more to do."""
        self._runs.pop(id, None)
        self._wake.set()


class _Run(threading.Thread):
    """One download in a thread, which has claimed its model. It is no daemon: it stops where it can be gone on with."""

    def __init__(self, downloads: Downloads, id: str, release: Callable[[], None]) -> None:
        super().__init__(name="download")
        self.downloads = downloads
        self.files = downloads.files
        self.id = id
        self.cancel = threading.Event()
        self._release = release
        self._meter = Meter()

    def run(self) -> None:
        """Download, unless something else is wanted by now, and write down how it ended."""
        try:
            with suppress(UnknownDownload):  # it was forgotten meanwhile
                self._run()
        except Exception:  # the disk is full, say; the job stays as it is, to be tried again
            log.exception("a download's state could not be written")
            self.downloads.stopped.wait(_AGAIN)
        finally:
            self._release()
            self.downloads.ended(self.id)

    def _run(self) -> None:
        job = self._begin()
        if job.state in ENDED or job.wanted != RUNNING:
            self.downloads.settle(self.id)
            return
        try:
            self.downloads.cache.download(
                job.slug,
                job.formats,
                self._progress,
                cancel=self.cancel,
                accept_licence=job.accept_licence,
                allow_unverified=job.allow_unverified,
            )
        except Cancelled:
            self.downloads.settle(self.id)
        except DepthmapError as error:
            said = error.as_dict()
            self._end(FAILED, {name: said[name] for name in ("error", "message", "remedy")})
        except Exception:
            log.exception("the download of %s failed", job.model)
            what, remedy = "Something went wrong in the server", "Please report the details in its log."
            self._end(FAILED, {"error": "InternalError", "message": f"{what}. {remedy}", "remedy": remedy})
        else:
            self._end(DONE)

    def _begin(self) -> Job:
        with self.files.turn():
            job = self.files.get(self.id)
            if job.state in LIVE and job.wanted == RUNNING:
                job = replace(job, state=RUNNING, phase=STARTING, error=None, updated=now())
                self.files.write(job)
            return job

    def _progress(self, what: str, done: int, total: int) -> None:
        """Write down how far it is, and see whether it is still wanted."""
        self._meter.note(what, done, total)
        if self._meter.is_due():
            began = time.monotonic()
            with suppress(
                CacheError
            ):  # a report that cannot be written is no reason to end a download that can
                self._report()
            self._meter.told(time.monotonic() - began)
        if self.cancel.is_set():
            raise Cancelled("the download was stopped", self.id, "Resume it to go on from there.")

    def _report(self) -> None:
        with self.files.turn():
            job = self.files.find(self.id)
            if job is None or job.wanted != RUNNING or self.downloads.stopped.is_set():
                self.cancel.set()
            else:
                reading = self._meter.reading()._asdict()
                self.files.write(replace(job, updated=now(), **reading), durable=False)

    def _end(self, state: str, error: dict[str, str] | None = None) -> None:
        with self.files.turn():
            job = self.files.get(self.id)
            if state == DONE:
                job = replace(job, phase=DONE, done_bytes=job.total_bytes)
            job = replace(job, state=state, error=error, rate_bytes=0, seconds_left=None, updated=now())
            self.files.write(job)


def _over(job: Job) -> UsageError:
    return UsageError(f"The download is {job.state}", job.id, "POST /api/downloads starts another.")
