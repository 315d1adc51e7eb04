"""The bytes of one file from one source: over one connection, or over several where that is faster."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from ..errors import DigestMismatch, DownloadError
from ..store.digest import LEAF
from .failures import REMEDY, lasting, passing, timed_out
from .partial import Partial, WrongLeaf
from .reading import PATIENCE, Reader, Reply
from .sources import Source

_MOST = 4
"""Connections to one source."""
_PROBE = 2.0
"""Seconds over which a rate is measured before a connection is added, and before it is judged."""
_GAIN = 1.2
"""The rate must grow by this factor for a further connection to be worth it."""
_SHARE = 8 * LEAF
"""The least that a further connection is started for."""
_SLOWEST = 1024
"""Bytes a second; less over a whole time-out is a stall."""
_TICK = 0.1
_LAST = 1.0


class Segment:
    """Bytes from ``position`` to before ``end`` (None: unknown) that one connection fetches.

    ``tail`` holds the bytes of a leaf that is not whole yet; ``end`` may be moved down, to a leaf's beginning,
    while it runs.
    """

    def __init__(self, start: int, end: int | None) -> None:
        self.start = start
        self.end = end
        self.tail = bytearray()

    @property
    def position(self) -> int:
        """The next byte that is wanted."""
        return self.start + len(self.tail)

    @property
    def left(self) -> int:
        """Bytes that are still wanted; 0 when the end is unknown."""
        return max(0, self.end - self.position) if self.end is not None else 0

    def split(self) -> Segment:
        """Give away the second half, from a leaf's beginning on; the end must be known."""
        middle = (self.position + self.left // 2) // LEAF * LEAF
        end, self.end = self.end, middle
        return Segment(middle, end)


class _Stopped(Exception):
    """A connection was told to stop, and that is no failure."""


class Connection(threading.Thread):
    """Fetches one segment in a thread of its own, until it is there, or fails, or is told to stop."""

    def __init__(self, transfer: Transfer, segment: Segment, *, extra: bool) -> None:
        super().__init__(name="depthmap-download", daemon=True)
        self.transfer = transfer
        self.segment = segment
        self.extra = extra
        """Whether it is one that was added for speed."""
        self.failure: BaseException | None = None
        self.reply: Reply | None = None
        self.began = time.monotonic()
        self._socket: socket.socket | None = None
        self._halted: BaseException | None = None
        self._mine: set[int] = set()
        self._to_the_end = False

    def run(self) -> None:
        """Fetch; what goes wrong is kept for the supervisor."""
        try:
            self._fetch()
        except BaseException as error:
            self.failure = self._halted or error
        if isinstance(self.failure, _Stopped):
            self.failure = None

    def stop(self, reason: BaseException | None = None) -> None:
        """End as soon as possible; ``reason`` is then what it failed of."""
        self._halted = reason or _Stopped()
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes a read that waits

    def _connected(self, connection: socket.socket) -> None:
        self._socket = connection
        if self._halted:
            self.stop(self._halted)

    def _fetch(self) -> None:
        transfer, segment = self.transfer, self.segment
        source, partial = transfer.source, transfer.partial
        with transfer.reader.open(source, segment.position, segment.end, self._connected) as reply:
            self.reply = reply
            if self._halted:
                raise self._halted
            self._agree(reply)
            partial.came_from(source.url, reply.etag)
            source.etag = reply.etag
            for block in transfer.watched(reply):
                if self._halted:
                    raise self._halted
                if self._take(block):
                    return
        self._end()

    def _agree(self, reply: Reply) -> None:
        """See that the reply continues what is there, else begin at its beginning."""
        source, segment, partial = self.transfer.source, self.segment, self.transfer.partial
        changed = bool(source.etag) and reply.etag != source.etag
        from_elsewhere = reply.start != segment.position
        if (from_elsewhere and self.extra) or (changed and reply.start):
            source.takes_ranges = False
            raise passing("its file changed during the download", source.url)
        if from_elsewhere:  # all of the file comes, and is taken; where it is another by now, to its end
            segment.start, segment.end, segment.tail = 0, partial.size or None, bytearray()
            self._to_the_end = changed

    def _take(self, block: bytes) -> bool:
        """Put a block where it belongs; return whether the segment is done."""
        segment, partial = self.segment, self.transfer.partial
        self.transfer.received += len(block)
        partial.received += len(block)
        segment.tail += block
        if partial.size and segment.position > partial.size:
            partial.forget(self._mine)
            url = self.transfer.source.url
            raise lasting(f"it sent more than the {partial.size} bytes of the file", url)
        while len(segment.tail) >= LEAF and (segment.end is None or segment.start < segment.end):
            self._put(segment.tail[:LEAF])
            segment.start += LEAF
            del segment.tail[:LEAF]
        if segment.end is None or segment.left:
            return partial.whole and not self._to_the_end
        if segment.start < segment.end:  # the last leaf of the file is shorter
            self._put(segment.tail[: segment.end - segment.start])
        segment.start, segment.tail = segment.end, bytearray()
        return True

    def _put(self, data: bytearray) -> None:
        """Write the leaf at the segment's start. Where other bytes were, nothing that was there can be relied on."""
        partial, leaf = self.transfer.partial, self.segment.start // LEAF
        try:
            replaced = partial.put(leaf, data)
        except WrongLeaf as error:
            raise DigestMismatch(str(error), self.transfer.source.name, REMEDY) from error
        self._mine.add(leaf)
        if replaced:
            partial.keep(self._mine)

    def _end(self) -> None:
        """The reply ended. That is right only where nothing says how long the file is."""
        segment, partial, url = self.segment, self.transfer.partial, self.transfer.source.url
        if segment.left:
            raise passing(f"it stopped after {segment.position} of {partial.size} bytes", url)
        if segment.tail:
            self._put(segment.tail)
            segment.start, segment.tail = segment.position, bytearray()


class Transfer:
    """Fetches what a partial file misses from one source."""

    def __init__(self, source: Source, partial: Partial, reader: Reader) -> None:
        self.source = source
        self.partial = partial
        self.reader = reader
        self.received = 0
        self._connections: list[Connection] = []
        self._settled = False
        self._ended = False
        self._measured = (time.monotonic(), 0)
        self._rate = 0.0

    @property
    def done(self) -> int:
        """Bytes that are there, those of unfinished leaves too."""
        waiting = sum(len(c.segment.tail) for c in self._connections if c.is_alive())
        return self.partial.done + waiting

    def run(self, tick: Callable[[], None]) -> None:
        """Fetch until nothing is missing; ``tick`` is called several times a second, and may raise.

        Raises
        ------
        DownloadError
            When the source failed; what came until then is kept.
        """
        try:
            while True:
                self._reap()
                if not self._connections:
                    if self.partial.whole or self._ended:
                        return
                    self._connect(self._segment(*self.partial.missing()[0]))
                self._consider()
                self._heed_silence()
                self._connections[0].join(_TICK)
                tick()
        finally:
            self._stop()

    def _segment(self, start: int, end: int | None) -> Segment:
        segment = Segment(start, end)
        if self.source.takes_ranges:
            segment.tail = self.source.carry.pop(start, bytearray())
        return segment

    def _connect(self, segment: Segment) -> None:
        connection = Connection(self, segment, extra=bool(self._connections))
        self._connections.append(connection)
        connection.start()

    def _reap(self) -> None:
        """Forget connections that ended; the failure of the last one is the source's."""
        for connection in [c for c in self._connections if not c.is_alive()]:
            if connection.failure:
                self._settled = True
                if len(self._connections) == 1 or not isinstance(connection.failure, DownloadError):
                    raise connection.failure
            self._ended = self._ended or (connection.segment.end is None and not connection.failure)
            self._let_go(connection)

    def _heed_silence(self) -> None:
        """Give up on a server whose answer does not begin: one that sends its headers a byte at a time, say."""
        for connection in self._connections:
            if not connection.reply and time.monotonic() - connection.began > PATIENCE * self.reader.timeout:
                connection.stop(timed_out(self.source.url, self.reader.timeout))

    def _consider(self) -> None:
        """Add a connection when the last one paid, up to four; stop the one that did not."""
        now = time.monotonic()
        since, before = self._measured
        if self._settled or now - since < _PROBE:
            return
        rate = (self.received - before) / (now - since)
        self._measured = (now, self.received)
        if rate < self._rate * _GAIN:
            self._settled = True
            if len(self._connections) > 1:
                self._connections[-1].stop()
            return
        self._rate = rate
        largest = max(self._connections, key=lambda connection: connection.segment.left)
        reply = largest.reply
        if len(self._connections) < _MOST and reply and reply.shared and largest.segment.left >= 2 * _SHARE:
            self._connect(largest.segment.split())

    def watched(self, reply: Reply) -> Iterator[bytes]:
        """Yield a reply's blocks, unless they come slower than anybody would wait for."""
        began, count = time.monotonic(), 0
        for block in reply.blocks:
            yield block
            count += len(block)
            now = time.monotonic()
            if now - began > self.reader.timeout:
                if count < _SLOWEST * (now - began):
                    raise timed_out(self.source.url, self.reader.timeout)
                began, count = now, 0

    def _let_go(self, connection: Connection) -> None:
        reply, segment = connection.reply, connection.segment
        if segment.tail and reply and (reply.start or reply.size):  # else it may have been a page of text
            self.source.carry[segment.start] = segment.tail
        self._connections.remove(connection)

    def _stop(self) -> None:
        for connection in self._connections:
            connection.stop()
        for connection in list(self._connections):
            connection.join(_LAST)  # one that is still being made ends by itself, and writes nothing
            self._let_go(connection)
