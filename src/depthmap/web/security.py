"""Guards in front of the routes, in plain ASGI so that replies can stream through them.

On the loopback the API has no password: who reaches it is this machine's user, or a page in this user's browser. (For
other machines there is `tokens`.) A page of another
site must neither act nor read: it cannot read since there are no CORS headers, it cannot act since its Origin is
refused, and it cannot pass for our own page under a name of its own (DNS rebinding) since that Host is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limits import Limits, TooLong
from .replies import HEADERS, refusal

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_READING = {"GET", "HEAD", "OPTIONS"}
_RATE = 1024
"""Bytes a second that a body has to have at least."""


class SecurityHeaders:
    """Adds `replies.HEADERS`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                missing = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                added = [header for header in missing if header[0] not in there]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Guard:
    """Refuses requests under a name that is not ours (421), and changes asked for by other sites' pages (403)."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        status = self._refused(scope) if scope["type"] == "http" else 0
        await (refusal(status) if status else self.app)(scope, receive, send)

    def _refused(self, scope: Scope) -> int:
        host = only(scope, b"host").lower()
        match = _HOST.fullmatch(host)
        if not match or not (match[1] in self.hosts or _is_own_address(match[1], scope)):
            return 421
        return 403 if scope["method"] not in _READING and _is_cross_site(scope, host) else 0


def allowed_hosts(names: Collection[str]) -> frozenset[str]:
    """Return the Host names, without port, that are ours: the loopback's, and ``names``."""
    return frozenset((*_LOOPBACK, *(_as_host(name) for name in names)))


def _as_host(name: str) -> str:
    """Return a name or an address as it stands in a Host header."""
    name = name.strip().lower()
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def _values(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in scope["headers"] if name.lower() == header]


def only(scope: Scope, header: bytes) -> str:
    """Return the header's value; nothing when it is missing or given twice."""
    values = _values(scope, header)
    return values[0] if len(values) == 1 else ""


def _is_own_address(name: str, scope: Scope) -> bool:
    """Tell whether a Host is the very address of this connection: no foreign name can be bound to that."""
    try:
        own = ipaddress.ip_address((scope.get("server") or ("", 0))[0])
        return ipaddress.ip_address(name.strip("[]")) == own
    except ValueError:
        return False


def _is_cross_site(scope: Scope, host: str) -> bool:
    """Tell whether a browser says that a page of another origin made the request; curl and programs say nothing."""
    ours = {f"http://{host}", f"https://{host}"}  # a proxy in front of us may speak TLS
    foreign = [origin for origin in _values(scope, b"origin") if origin.lower() not in ours]
    fetched = [site for site in _values(scope, b"sec-fetch-site") if site not in ("same-origin", "none")]
    return bool(foreign or fetched)


class BodyLimit:
    """Refuses bodies that are too long (413), counted as they arrive, or that hardly arrive (408)."""

    def __init__(self, app: ASGIApp, limits: Limits, seconds: float) -> None:
        self.app = app
        self.limits = limits
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limits.of(scope["path"])
        declared = only(scope, b"content-length")
        if declared.isdecimal() and int(declared) > limit:
            await refusal(413, remedy=TooLong(limit).detail)(scope, receive, send)
            return
        await self.app(scope, _Counted(receive, limit, self.seconds), send)


class _Counted:
    """A request's ``receive`` with the limits; what it raises is answered by the replies' handlers.

    ``patience`` is how long it still waits for the next `_RATE` bytes for each second.
    """

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self.receive = receive
        self.limit = limit
        self.seconds = self.patience = seconds
        self.total = self.before = 0
        self.more = True

    async def __call__(self) -> Message:
        """Return the next part of the body."""
        if not self.more:  # after the body one waits here, without limit, for the client to go away
            return await self.receive()
        message = await self._in_time()
        self.total += len(message.get("body", b""))
        self.more = message["type"] == "http.request" and message.get("more_body", False)
        if self.total > self.limit:
            raise TooLong(self.limit)
        return message

    async def _in_time(self) -> Message:
        while True:
            start = anyio.current_time()
            with anyio.move_on_after(self.patience):
                message = await self.receive()
                self.patience -= (
                    anyio.current_time() - start
                )  # of waiting, not of what is done with the parts
                return message
            if self.total - self.before < _RATE * self.seconds:
                raise HTTPException(408, headers={"Connection": "close"})
            self.patience, self.before = self.seconds, self.total
