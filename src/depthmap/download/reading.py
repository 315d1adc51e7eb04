"""A URL as a stream of bytes from some position on: over HTTP, from a file, through fsspec."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ..fetching import hide_login
from .failures import lasting, passing, refused, translated
from .hub import authorization
from .ranges import parse_content_range, range_header, strong_etag
from .sources import Source

if TYPE_CHECKING:
    import httpx

Connected = Callable[[socket.socket], None]
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
_BLOCK = 1 << 20
PATIENCE = 2
"""Time-outs within which a server must have begun to answer: one for the connection, one for the headers."""


def traced(connected: Connected) -> Callable[[str, dict[str, Any]], None]:
    """Return what httpx calls on its way, so that ``connected`` is given each socket as soon as there is one."""

    def trace(event: str, facts: dict[str, Any]) -> None:
        stream = facts.get("return_value")
        if event in _CONNECTED and (found := stream and stream.get_extra_info("socket")):
            connected(found)

    return trace


def parted(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URL without the login that it may carry, and the login: httpx logs the URLs that it asks."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None
    return hide_login(url), (unquote(parts.username or ""), unquote(parts.password or ""))


def http_client(url: str, timeout: float) -> httpx.Client:
    """Return what asks servers. No connection is used twice: each request has a socket of its own to be ended by.

    Raises
    ------
    DownloadError
        When the environment names a proxy that makes no sense.
    """
    import httpx

    try:
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(timeout=timeout, follow_redirects=True, limits=limits)
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        raise lasting(f"the proxy in your environment cannot be used ({error})", url) from error


@dataclass(frozen=True)
class Reply:
    """What a source answers: its bytes from ``start`` on, in ``blocks``.

    ``shared`` says that other parts may be asked for at the same time, and will be of the same file: the server
    takes ranges and gave a strong ETag.
    """

    start: int
    blocks: Iterator[bytes]
    size: int = 0
    etag: str = ""
    shared: bool = False


class Reader:
    """Opens sources; what connections it makes are kept until `close`.

    ``size`` is the file's (0: unknown), ``timeout`` the seconds to wait for a connection and for each next byte.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self.size = size
        self.timeout = timeout
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._client:
            self._client.close()

    def open(
        self, source: Source, start: int, end: int | None, connected: Connected = lambda _: None
    ) -> AbstractContextManager[Reply]:
        """Ask a source for the bytes from ``start`` to before ``end``; it may answer from another start.

        ``connected`` is given the socket as soon as there is one, so that another thread can end a read that waits.

        Raises
        ------
        DownloadError
            In one of the kinds of `failures`.
        """
        openers = {"file": self._open_file, "http": self._open_http, "https": self._open_http}
        return openers.get(source.scheme, self._open_remote)(source, start, end, connected)

    # -- HTTP ---------------------------------------------------------------------------------------------

    @contextmanager
    def _open_http(
        self, source: Source, start: int, end: int | None, connected: Connected
    ) -> Iterator[Reply]:
        headers = {"Accept-Encoding": "identity", **authorization(source.url)}
        partly = source.takes_ranges and (start > 0 or (end is not None and end != self.size))
        if partly:
            headers["Range"] = range_header(start, end if end != self.size else None)
            if source.etag:
                headers["If-Range"] = source.etag
        url, login = parted(source.url)
        with (
            translated(source.url, self.timeout),
            self._http(source.url).stream(
                "GET", url, headers=headers, auth=login, extensions={"trace": traced(connected)}
            ) as response,
        ):
            yield self._reply(response, source, start if partly else 0)

    def _http(self, url: str) -> httpx.Client:
        if self._client is None:
            self._client = http_client(url, self.timeout)
        return self._client

    def _reply(self, response: httpx.Response, source: Source, start: int) -> Reply:
        etag = strong_etag(response.headers.get("ETag", ""))
        encoded = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        size = start_of = 0
        if response.status_code == 206:
            start_of, size = self._check_range(response, source, start, encoded)
        elif response.status_code == 200:
            size = self._check_length(response, source, encoded)
        elif response.status_code == 416:
            self._check_refusal(response, source)
        else:
            raise refused(response, source.url)
        takes = response.status_code == 206 or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        shared = bool(takes and etag and size and source.takes_ranges and not encoded)
        return Reply(start_of, response.iter_bytes(), size, etag, shared)

    def _check_range(
        self, response: httpx.Response, source: Source, start: int, encoded: bool
    ) -> tuple[int, int]:
        stated = parse_content_range(response.headers.get("Content-Range", ""))
        if stated and self.size and stated.total not in (None, self.size):
            raise lasting(f"its file has {stated.total} bytes instead of {self.size}", source.url)
        if not stated or stated.first != start or encoded:
            source.takes_ranges = False
            raise passing(f"it sent another range than the one from byte {start}", source.url)
        return start, stated.total or self.size

    def _check_refusal(self, response: httpx.Response, source: Source) -> None:
        """Find out what a 416 means: a file that ends earlier, or a server that cannot do ranges."""
        stated = parse_content_range(response.headers.get("Content-Range", ""))
        if stated and self.size and stated.total != self.size:
            raise lasting(f"its file has {stated.total} bytes instead of {self.size}", source.url)
        if not source.takes_ranges:
            raise refused(response, source.url)
        source.takes_ranges = False
        raise passing("it refused a range of the file (416)", source.url)

    def _check_length(self, response: httpx.Response, source: Source, encoded: bool) -> int:
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise lasting("it sent a web page instead of the file", source.url)
        length = response.headers.get("Content-Length", "")
        if encoded or not re.fullmatch(r"\d{1,18}", length):
            return 0
        if self.size and int(length) != self.size:
            kind = response.headers.get("Content-Type", "unknown type")
            raise lasting(f"it offers {length} bytes ({kind}) instead of {self.size}", source.url)
        return int(length)

    # -- files, and whatever fsspec knows -------------------------------------------------------------------

    @contextmanager
    def _open_file(
        self, source: Source, start: int, end: int | None, connected: Connected
    ) -> Iterator[Reply]:
        from urllib.request import url2pathname  # slow to import, and only file:// needs it

        path = Path(url2pathname(urlsplit(source.url).path))
        try:
            with path.open("rb") as file:
                yield self._seekable(file, source, start, path.stat().st_size)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise lasting(str(error.strerror), source.url) from error

    @contextmanager
    def _open_remote(
        self, source: Source, start: int, end: int | None, connected: Connected
    ) -> Iterator[Reply]:
        try:
            import fsspec
        except ImportError as error:
            raise lasting(
                f"{source.scheme}:// needs fsspec: run pip install 'depthmap[remote]'", source.url
            ) from error
        try:
            with fsspec.open(source.url, "rb", cache_type="readahead").open() as file:
                yield self._seekable(file, source, start, int(getattr(file, "size", 0) or 0))
        except (FileNotFoundError, PermissionError, ValueError, ImportError) as error:
            raise lasting(f"{type(error).__name__}: {error}", source.url) from error
        except OSError as error:
            raise passing(f"{type(error).__name__}: {error}", source.url) from error

    def _seekable(self, file: IO[bytes], source: Source, start: int, size: int) -> Reply:
        if self.size and size and size != self.size:
            raise lasting(f"it offers {size} bytes instead of {self.size}", source.url)
        file.seek(start)
        return Reply(start, iter(lambda: file.read(_BLOCK), b""), size)
