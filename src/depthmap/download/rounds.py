"""Which source is asked when, and when to give up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from ..errors import AccessDenied, Cancelled, DepthmapError, DigestMismatch, DownloadError, NetworkTimeout
from ..fetching import hide_login, shown
from ..store import Digest
from .failures import REMEDY, PassingFailure, may_pass
from .partial import Partial
from .pauses import LONGEST, pause
from .reading import Reader
from .sources import Source
from .transfer import Transfer

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done and the bytes in all (0: unknown)."""

_HEADWAY = 64 << 10
"""Bytes that a round must bring for the count of failed rounds to begin anew."""


def download(
    urls: Sequence[str],
    target: Path,
    size: int,
    sha256: str,
    timeout: float,
    progress: Progress | None = None,
    *,
    retries: int = 4,
    cancel: Event | None = None,
) -> Digest:
    """Fetch the file that has ``sha256`` from ``urls`` into ``target``; what is there of it already is kept.

    Parameters
    ----------
    urls : sequence of str
        In the order in which they are asked; any scheme that fsspec knows beside http(s):// and file://.
    target : Path
        Where the bytes go. Beside it lies a journal (see `Partial`) until the file is whole. Nobody else may write
        to either.
    size, sha256 : int, str
        What the file must be; a size of 0 is unknown, and such a download is not resumed. An empty digest is unknown:
        then each try begins anew, since nothing would tell whether two answers are of one file.
    timeout : float
        Seconds to wait for a connection and for each next byte.
    progress : callable, optional
        Called several times a second. What it raises ends the download.
    retries : int
        Rounds over the sources, after the first, that may fail in a row.
    cancel : threading.Event, optional
        Set it to end the download.

    Raises
    ------
    NetworkTimeout
        When every source that was there let the time-out pass.
    DigestMismatch
        When one gave other bytes than the published ones and none the right ones.
    Cancelled
        When ``cancel`` was set.
    InsufficientDiskSpace, CacheNotWritable
        When the file cannot be written.
    DownloadError
        When none gave the file; the message names each source and what it said.
    """
    partial = Partial(target, size, sha256)
    try:
        digest = complete(partial, urls, timeout, progress, retries=retries, cancel=cancel)
    finally:
        partial.close()
    partial.discard_journal()
    return digest


def complete(
    partial: Partial,
    urls: Sequence[str],
    timeout: float,
    progress: Progress | None = None,
    *,
    retries: int = 4,
    cancel: Event | None = None,
) -> Digest:
    """Fetch what is missing of a partial file; with nothing missing, nobody is asked. See `download`."""
    return _Rounds(urls, partial, timeout, progress, retries, cancel).run()


class _Rounds:
    """The sources, asked in turn until the file is whole."""

    def __init__(
        self,
        urls: Sequence[str],
        partial: Partial,
        timeout: float,
        progress: Progress | None,
        retries: int,
        cancel: Event | None,
    ) -> None:
        self.sources = [Source(url, partial.origins.get(hide_login(url), "")) for url in urls]
        self.partial = partial
        self.reader = Reader(partial.size, timeout)
        self.progress = progress
        self.retries = retries
        self.cancel = cancel
        self.failures: dict[str, DepthmapError] = {}
        """The last failure of each source, in the order in which they failed first."""
        self._clean = not partial.sha256
        """Set once mixed bytes were wrong: from then on, each source has to give all of them. Where no digest would
        tell, it is set from the beginning."""

    def run(self) -> Digest:
        failed = 0
        try:
            if self.partial.whole and (digest := self._digest()):
                return digest
            while True:
                before = self.partial.done
                if digest := self._round():
                    return digest
                failed = 1 if self.partial.done - before >= _HEADWAY else failed + 1
                if not self._alive or failed > self.retries:
                    raise _summary(list(self.failures.values()))
                self._wait(failed)
        finally:
            self.reader.close()

    @property
    def _alive(self) -> list[Source]:
        return [source for source in self.sources if not source.failure]

    def _round(self) -> Digest | None:
        """Ask each source once; return the digest when the file is whole."""
        for source in self._alive:
            if digest := self._ask(source):
                return digest
        return None

    def _ask(self, source: Source) -> Digest | None:
        if self._clean:
            self._begin_anew()
        try:
            while not source.failure:
                self._fetch(source)
                if digest := self._check(source):
                    return digest
        except DownloadError as error:
            if isinstance(error, Cancelled):
                raise
            self.failures[source.url] = error
            if not may_pass(error):
                source.failure = error
        return None

    def _fetch(self, source: Source) -> None:
        """Take what is missing from a source; one that cannot do ranges is asked again for the whole, once."""
        could = source.takes_ranges
        try:
            self._transfer(source)
        except PassingFailure:
            if source.takes_ranges or not could:
                raise
            self._transfer(source)

    def _transfer(self, source: Source) -> None:
        transfer = Transfer(source, self.partial, self.reader)
        what = f"Downloading {shown(source.url).rsplit('/', 1)[-1]}"
        reached = 0

        def tick() -> None:
            nonlocal reached
            self._heed_cancel()
            if self.progress:
                reached = max(reached, min(transfer.done, self.partial.size or transfer.done))
                self.progress(what, reached, self.partial.size)

        transfer.run(tick)
        tick()

    def _check(self, source: Source) -> Digest | None:
        """Return the digest if the bytes are right. If not: were they of several sources, each is tried alone."""
        mixed = self.partial.mixed
        if digest := self._digest():
            return digest
        alone, source.was_alone = source.was_alone, True
        if alone or not mixed:
            wanted = self.partial.sha256[:16]
            source.failure = DigestMismatch(
                f"its SHA-256 is not the expected {wanted}…; the bytes were dropped",
                source.name,
                REMEDY,
            )
            self.failures[source.url] = source.failure
        return None

    def _digest(self) -> Digest | None:
        """Return the digest of the file if it is the right one; else drop every byte."""
        digest = self.partial.digest()
        if self.partial.sha256 in ("", digest.sha256) and self.partial.size in (0, digest.size):
            return digest
        self._begin_anew()
        self._clean = True
        return None

    def _begin_anew(self) -> None:
        self.partial.restart()
        for source in self.sources:
            source.carry.clear()

    def _wait(self, failed: int) -> None:
        """Wait before the next round: longer each time, and as long as the servers ask for."""
        asked = [getattr(self.failures.get(source.url), "wait", 0.0) for source in self._alive]
        for source, wait in zip(self._alive, asked, strict=True):
            if wait > LONGEST:
                source.failure = self.failures[source.url]
        if not self._alive:
            raise _summary(list(self.failures.values()))
        pause(failed, min(asked), self._told_to_wait)

    def _told_to_wait(self, left: float) -> None:
        self._heed_cancel()
        if self.progress:
            what = f"Waiting {left:.0f} s before the next try"
            self.progress(what, self.partial.done, self.partial.size)

    def _heed_cancel(self) -> None:
        if self.cancel and self.cancel.is_set():
            raise Cancelled(
                "the download was cancelled", self.partial.path, "Start it again to go on from there."
            )


def _summary(failures: Sequence[DepthmapError]) -> DepthmapError:
    kinds = {type(failure) for failure in failures}
    kind = next((k for k in (DigestMismatch, AccessDenied, NetworkTimeout) if k in kinds), DownloadError)
    said = "; ".join(f"{failure.where}: {failure.what}" for failure in failures)
    remedy = next((f.remedy for f in failures if kind is type(f) is AccessDenied), REMEDY)
    return kind(
        f"the download failed: {said}" if said else "there is no source to download it from", "", remedy
    )
