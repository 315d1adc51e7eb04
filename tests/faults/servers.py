"""A real HTTP/1.1 server on loopback that serves files properly, and misbehaves as it is told.

``HostileServer(path)`` honours single ranges, If-Range, strong ETags and HEAD. A `Fault` changes that for some or all
requests; faults are data, and several apply together::

    HostileServer(checkpoint, truncated(1000).first(2), weak_etag())

What was asked and how many bytes of bodies went out is in ``server.requests``.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MIB = 1 << 20
BEFORE_HEADERS = -1
"""As a position: before the first byte of the answer."""
_BLOCK = 1 << 16
_BOUNDARY = "the-boundary"


# -- what can be wrong ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, or several. Positions are in bytes of the body that is being sent.

    ``on`` tells which GETs of a file it applies to, counted from 1 (a HEAD counts as the next GET).
    """

    on: Container[int] = range(1, sys.maxsize)
    # the file
    edit: Callable[[bytes], bytes] | None = None
    etag: str | None = None
    """``{etag}`` stands for the right one; empty: none is sent."""
    ranges: str = ""
    """``"ignored"``: 200 for every range; ``"forced"``: 206 whatever If-Range says; ``"refused"``: 416."""
    # the answer
    status: int = 0
    body: bytes | None = None
    """With ``status`` or ``body``, the file is not sent at all."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Replaces headers; None removes one."""
    content_range: Callable[[int, int, int], str] | None = None
    """Makes Content-Range of the first byte, the last byte, and the size."""
    shape: str = ""
    """``"multipart"`` (of a 206), ``"gzip"``, ``"chunked"`` or ``"unframed"`` (neither chunks nor a length)."""
    # the sending
    cut: int | None = None
    reset: bool = False
    """The cut is an RST, not an orderly end."""
    stall: int | None = None
    rate: int = 0
    """Bytes per second of this connection, from position ``slow_after`` on; 0: as fast as it goes."""
    slow_after: int = 0

    def only(self, *numbers: int) -> Fault:
        """Apply to these requests."""
        return replace(self, on=frozenset(numbers))

    def first(self, count: int) -> Fault:
        """Apply to the first so many requests."""
        return replace(self, on=range(1, count + 1))

    def after(self, count: int) -> Fault:
        """Apply to all but the first so many requests."""
        return replace(self, on=range(count + 1, sys.maxsize))


_NONE = Fault()


def _together(faults: Iterable[Fault], number: int) -> Fault:
    merged: dict[str, Any] = {}
    headers: dict[str, str | None] = {}
    for fault in faults:
        if number in fault.on:
            changed = {f.name: getattr(fault, f.name) for f in fields(Fault)}
            merged |= {name: value for name, value in changed.items() if value != getattr(_NONE, name)}
            headers |= fault.headers
    return Fault(**(merged | {"headers": headers}))


def truncated(after: int) -> Fault:
    """Close the connection after so many bytes; `BEFORE_HEADERS`: without a word."""
    return Fault(cut=after)


def reset(after: int) -> Fault:
    """Reset the connection (RST) after so many bytes."""
    return Fault(cut=after, reset=True)


def stalled(after: int) -> Fault:
    """Send nothing more after so many bytes, and leave the connection open."""
    return Fault(stall=after)


def dripping(after: int) -> Fault:
    """Send one byte a second from a position on; `BEFORE_HEADERS`: of the headers too."""
    return Fault(rate=1, slow_after=after)


def slow(rate: int) -> Fault:
    """Send so many bytes per second on each connection."""
    return Fault(rate=rate)


def claims_length(text: object) -> Fault:
    """Lie in Content-Length."""
    return Fault(headers={"Content-Length": str(text)})


def shaped(shape: str) -> Fault:
    """Send the file as ``"multipart"``, ``"gzip"``, ``"chunked"`` or ``"unframed"``."""
    return Fault(shape=shape)


def page(size: int = 0, kind: str | None = "text/html") -> Fault:
    """Answer 200 with a web page, padded to a size."""
    html = b"<!DOCTYPE html><html><body>Please sign in to the network</body></html>\n"
    return Fault(status=200, body=html.ljust(size), headers={"Content-Type": kind, "ETag": None})


def answers(status: int, retry_after: str | None = None, **headers: str | None) -> Fault:
    """Answer with a status and a short text."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    body = f"{status}\n".encode()
    return Fault(status=status, body=body, headers={"Retry-After": retry_after, "ETag": None, **extra})


def redirects(location: str | None, status: int = 302) -> Fault:
    """Send elsewhere; ``{path}`` stands for the path that was asked for, so that ``"{path}"`` is a loop."""
    return answers(status, Location=location)


def redirects_often(times: int) -> Fault:
    """Send through a chain of other addresses of this server, which ends at the file."""
    return redirects(f"/hop/{times - 1}{{path}}")


def ignores_ranges() -> Fault:
    """Answer 200 with the whole file, whatever range was asked for."""
    return Fault(ranges="ignored")


def ignores_if_range() -> Fault:
    """Answer 206 although If-Range names another ETag."""
    return Fault(ranges="forced")


def refuses_ranges(content_range: str | None = "bytes */{total}") -> Fault:
    """Answer 416 to every range; ``{total}`` stands for the size."""
    return Fault(ranges="refused", headers={"Content-Range": content_range})


def sends_range(text: str | Callable[[int, int, int], str]) -> Fault:
    """Send this Content-Range with each 206."""
    return Fault(content_range=text if callable(text) else lambda first, last, total: text)


def etag(text: str) -> Fault:
    """Send this ETag; empty: none."""
    return Fault(etag=text)


def weak_etag() -> Fault:
    """Send a weak ETag."""
    return Fault(etag="W/{etag}")


def flipped(position: int) -> Fault:
    """Flip a bit of the file's byte at ``position``."""

    def edit(content: bytes) -> bytes:
        return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]

    return Fault(edit=edit)


def other_bytes() -> Fault:
    """Serve other bytes of the same length."""
    return Fault(edit=lambda content: content[: len(content) // 2][::-1] + content[len(content) // 2 :][::-1])


# -- what was asked ---------------------------------------------------------------------------------------------


@dataclass
class Request:
    """One request, and the ``sent`` bytes of the answer's body that the system took."""

    method: str
    path: str
    range: str
    if_range: str
    authorization: str = ""
    status: int = 0
    sent: int = 0


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str | None]
    body: bytes


class HostileServer(ThreadingHTTPServer):
    """Serves one file, as ``name``, or a folder; ``faults`` may be replaced at any time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path, *faults: Fault, name: str = "v1/small.pt") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.name = name
        self.faults = faults
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.connections = 0
        self.most_connections = 0
        self._numbered = 0
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BLOCK)  # what counts as sent has left
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server and every connection, also those that stall."""
        self.stopped.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._guard:
            for connection in self._open:
                _silence(connection)

    def heal(self, *faults: Fault) -> None:
        """Behave from now on, or misbehave in another way; forget what was asked."""
        self.faults = faults
        with self._guard:
            self.requests, self._numbered = [], 0

    def file(self, path: str) -> Path | None:
        """Return the file that is served at a path of a URL, or None."""
        name = path.split("?")[0].lstrip("/")
        if self.root.is_file():
            return self.root if name == self.name else None
        found = (self.root / name).resolve()
        return found if found.is_file() and self.root.resolve() in found.parents else None

    def gets(self, status: int = 0) -> list[Request]:
        """Return the GETs that were for a file, or those that were answered with a status."""
        asked = list(self.requests)
        ours = [r for r in asked if r.method == "GET" and self.file(_hops(r.path)[1])]
        return [r for r in ours if status in (0, r.status)]

    @property
    def sent(self) -> int:
        """The bytes of files (or of what was given for them) that went out."""
        return sum(request.sent for request in list(self.requests) if request.status in (200, 206))

    def begin(self, request: Request) -> Fault:
        """Note a request for a file; return what goes wrong with it."""
        with self._guard:
            number = self._numbered + 1
            self._numbered += request.method == "GET"
        return _together(self.faults, number)

    def note(self, request: Request) -> None:
        """Note any request."""
        with self._guard:
            self.requests.append(request)

    def connected(self, connection: socket.socket, opened: bool) -> None:
        """Keep track of the open connections."""
        with self._guard:
            (self._open.add if opened else self._open.discard)(connection)

    def sending(self, more: int) -> None:
        """Keep track of how many bodies are being sent at once."""
        with self._guard:
            self.connections += more
            self.most_connections = max(self.most_connections, self.connections)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; anything else is a mistake of this server."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _silence(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _hops(path: str) -> tuple[int, str]:
    """Return how many redirects are left of a chain, and the path at its end; -1: it is no chain."""
    found = re.fullmatch(r"/hop/(\d+)(/.*)", path)
    return (int(found[1]), found[2]) if found else (-1, path)


# -- how it is answered -----------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HostileServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def setup(self) -> None:
        self.server.connected(self.request, True)
        super().setup()

    def finish(self) -> None:
        self.server.connected(self.request, False)
        super().finish()

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def _handle(self) -> None:
        asked = Request(
            self.command,
            self.path,
            *(self.headers.get(name, "") for name in ("Range", "If-Range", "Authorization")),
        )
        self.server.note(asked)
        hops, path = _hops(self.path)
        file = self.server.file(path)
        if file is None or hops > 0:
            missing = answers(404) if file is None else redirects(f"/hop/{hops - 1}{path}")
            return self._send(asked, _replacement(missing, path), missing)
        fault = self.server.begin(asked)
        if hops == 0 and fault.headers.get("Location"):
            fault = Fault()
        if fault.status or fault.body is not None:
            return self._send(asked, _replacement(fault, self.path), fault)
        return self._send(asked, _answer(file.read_bytes(), asked, fault), fault)

    def _send(self, asked: Request, answer: _Answer, fault: Fault) -> None:
        asked.status = answer.status
        if fault.stall == BEFORE_HEADERS:
            self.server.stopped.wait()
        if BEFORE_HEADERS in (fault.cut, fault.stall):
            return self._hang_up(fault)
        self._send_head(answer, fault)
        if self.command == "GET" and answer.status != 304:
            self.server.sending(1)
            try:
                self._send_body(asked, answer, fault)
            finally:
                self.server.sending(-1)
        return None

    def _send_head(self, answer: _Answer, fault: Fault) -> None:
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('Unknown',))[0]}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items() if value is not None]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        step = 1 if fault.rate and fault.slow_after == BEFORE_HEADERS else len(head)
        for position in range(0, len(head), step):
            self.wfile.write(head[position : position + step])
            if step == 1 and self.server.stopped.wait(1 / fault.rate):
                break

    def _send_body(self, asked: Request, answer: _Answer, fault: Fault) -> None:
        body = memoryview(answer.body)
        chunks = answer.headers.get("Transfer-Encoding") == "chunked"
        end = min(n for n in (len(body), fault.cut, fault.stall) if n is not None)
        position = 0
        while position < end and not self.server.stopped.is_set():
            size = min(_step(fault, position), end - position)
            block = body[position : position + size]
            if chunks:
                self.wfile.write(b"%x\r\n" % size)
            self.wfile.write(block)
            if chunks:
                self.wfile.write(b"\r\n")
            asked.sent += size
            if fault.rate and position >= fault.slow_after:
                self.server.stopped.wait(size / fault.rate)
            position += size
        if fault.stall == end:
            self.server.stopped.wait()
        if end < len(body) or fault.cut == end or fault.stall == end:
            self._hang_up(fault)
        elif chunks:
            self.wfile.write(b"0\r\n\r\n")
        elif answer.headers.get("Content-Length") != str(len(body)):
            self._hang_up(fault)

    def _hang_up(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        else:
            _silence(self.connection)


def _step(fault: Fault, position: int) -> int:
    if not fault.rate:
        return _BLOCK
    if position < fault.slow_after:
        return min(_BLOCK, fault.slow_after - position)
    return max(1, fault.rate // 20)


def _replacement(fault: Fault, path: str) -> _Answer:
    body = fault.body or b""
    headers: dict[str, str | None] = {"Content-Length": str(len(body)), **fault.headers}
    if fault.shape in ("chunked", "unframed"):
        headers |= _framing(fault.shape)
    location = headers.get("Location")
    if location is not None:
        headers["Location"] = location.replace("{path}", path)
    return _Answer(fault.status or 200, headers, body)


def _framing(shape: str) -> dict[str, str | None]:
    if shape == "chunked":
        return {"Content-Length": None, "Transfer-Encoding": "chunked"}
    return {"Content-Length": None, "Connection": "close"}


def _answer(content: bytes, asked: Request, fault: Fault) -> _Answer:
    right = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    content = fault.edit(content) if fault.edit else content
    tag = right if fault.etag is None else fault.etag.replace("{etag}", right)
    headers: dict[str, str | None] = {
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "ETag": tag or None,
    }
    part = _range(asked, len(content), tag, fault)
    if part is not None and (fault.ranges == "refused" or part[0] >= len(content)):
        unsatisfied = fault.headers.get("Content-Range", "bytes */{total}")
        headers["Content-Range"] = unsatisfied and unsatisfied.replace("{total}", str(len(content)))
        return _Answer(416, {**headers, "Content-Length": "0"}, b"")
    if part is None or fault.shape == "gzip":
        body = gzip.compress(content, 0) if fault.shape == "gzip" else content
        headers |= {"Content-Encoding": "gzip"} if fault.shape == "gzip" else {}
        return _finished(200, headers, body, fault)
    first, last = part
    made = (fault.content_range or (lambda first, last, total: f"bytes {first}-{last}/{total}"))(
        first, last, len(content)
    )
    if fault.shape == "multipart":
        head = f"--{_BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Range: {made}\r\n\r\n"
        body = head.encode() + content[first : last + 1] + f"\r\n--{_BOUNDARY}--\r\n".encode()
        headers["Content-Type"] = f"multipart/byteranges; boundary={_BOUNDARY}"
        return _finished(206, headers, body, fault)
    headers["Content-Range"] = made or None
    return _finished(206, headers, content[first : last + 1], fault)


def _finished(status: int, headers: dict[str, str | None], body: bytes, fault: Fault) -> _Answer:
    headers["Content-Length"] = str(len(body))
    if fault.shape in ("chunked", "unframed"):
        headers |= _framing(fault.shape)
    changed = {k: v for k, v in fault.headers.items() if not (k == "Content-Range" and fault.ranges)}
    return _Answer(status, headers | changed, body)


def _range(asked: Request, size: int, tag: str, fault: Fault) -> tuple[int, int] | None:
    """Return the first and last byte of what is to be sent; None: all of it."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.range.replace(" ", ""))
    if not found or found[1] == found[2] == "" or fault.ranges == "ignored":
        return None
    stale = asked.if_range and (asked.if_range != tag or tag.startswith("W/"))
    if stale and fault.ranges != "forced":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    return int(found[1]), min(int(found[2] or size), size - 1)
