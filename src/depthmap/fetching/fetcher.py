"""The bytes behind a URL, bounded in size, in time, and in where it may lead."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import ImageError
from ..settings import from_environment
from .asking import Asker
from .reasons import answer, is_unknown_name, reason
from .urls import check, shown

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 5
_WAITS = 10
"""A fetch may take so many time-outs in all."""
_TICK = 0.5  # seconds after which a wait looks whether Ctrl-C was pressed: Windows does not interrupt it
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""A later request may be answered."""
_REMEDY = "Check the address and the connection, or download the picture and give the file."
_REMEDIES = {
    401: "It needs a login: download it with a browser, and give the file.",
    403: "The server does not let everyone have it: download it with a browser, and give the file.",
    404: "Check the address.",
    410: "It is gone: look for another address.",
    429: "The server asks for fewer requests: wait, then try again.",
}

_underway: set[_Fetch] = set()


def fetch(url: str, max_bytes: int, *, allow_private: bool = False) -> bytes:
    """Return what lies at a URL.

    ``DEPTHMAP_TIMEOUT`` bounds each wait for the server, and ten times as long the whole. Up to 5 redirects are
    followed, each checked as the URL itself; its user name and password go to its own server only.

    Parameters
    ----------
    url : str
        http or https.
    max_bytes : int
        What may come at most.
    allow_private : bool
        Also ask addresses that are not on the public Internet.

    Raises
    ------
    ImageError
        When it cannot be had, may not be asked for, or is a web page.
    """
    settings = from_environment()
    check(url, offline=settings.offline)
    return _Fetch(url, max_bytes, settings.timeout, allow_private=allow_private).result()


def give_up(urls: Container[str]) -> None:
    """End the fetches of these URLs that are under way, for nobody waits for them any more; each raises ImageError."""
    for under_way in list(_underway):
        if under_way.url in urls:
            under_way.stop("The download of the picture was interrupted", "")


class _Fetch:
    """One fetch, in a thread of its own, so that neither a name server nor a socket can keep the caller for long."""

    def __init__(self, url: str, max_bytes: int, timeout: float, *, allow_private: bool) -> None:
        self.url = url
        self.where = shown(url)
        self.max_bytes = max_bytes
        self.timeout = timeout
        self._asker = Asker(self.where, timeout, self._connected, allow_private=allow_private)
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._socket: socket.socket | None = None
        self._outcome: bytes | BaseException = b""

    def result(self) -> bytes:
        """Return the bytes, or raise what went wrong."""
        end = time.monotonic() + _WAITS * self.timeout
        _underway.add(self)
        try:
            threading.Thread(target=self._run, name="depthmap-fetch", daemon=True).start()
            while not self._over.wait(min(_TICK, max(0.0, end - time.monotonic()))):
                if time.monotonic() >= end:
                    what = f"The picture did not arrive within {_WAITS * self.timeout:g} s"
                    self.stop(what, "Try again, or raise DEPTHMAP_TIMEOUT (now a tenth of that).")
        finally:
            self.stop("The download of the picture was interrupted", "")
            _underway.discard(self)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def stop(self, what: str, remedy: str) -> None:
        """End the fetch for a reason, unless it is over."""
        if self._settle(ImageError(what, self.where, remedy)) and self._socket:
            with suppress(OSError):  # it may be closed by now
                self._socket.shutdown(socket.SHUT_RDWR)

    def _settle(self, outcome: bytes | BaseException) -> bool:
        with self._guard:
            if self._over.is_set():
                return False
            self._outcome = outcome
            self._over.set()
            return True

    def _connected(self, connection: socket.socket) -> None:
        self._socket = connection
        if self._over.is_set():
            connection.close()

    def _run(self) -> None:
        try:
            with self._translated():
                self._settle(self._get())
        except BaseException as error:  # whatever it is, the caller raises it
            self._settle(error)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            passing = isinstance(error, httpx.TransportError) and not is_unknown_name(error)
            raise self._failed(reason(error, self.timeout), passing=passing) from error

    def _failed(self, why: str, remedy: str = _REMEDY, *, passing: bool = False) -> ImageError:
        error = ImageError(f"The picture cannot be downloaded: {why}", self.where, remedy)
        error.passing = passing
        return error

    def _get(self) -> bytes:
        import httpx

        first = url = httpx.URL(self.url)
        login = (url.username, url.password) if url.userinfo else None
        for _ in range(_MOST_REDIRECTS + 1):
            if not url.host:
                raise self._failed("the URL names no server")
            with self._asker.ask(url, login if _origin(url) == _origin(first) else None) as response:
                if response.status_code not in _REDIRECTS:
                    return self._body(response)
                url = self._next(url, response)
        raise self._failed("the server redirects without end")

    def _next(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        location = response.headers.get("Location", "")
        if not location:
            raise self._failed(answer(response) + " without saying where to")
        target = url.join(location)
        if target.scheme not in ("http", "https"):
            raise self._failed(f"the server redirects to {target.scheme}:")
        return target

    def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            remedy = _REMEDIES.get(response.status_code, _REMEDY)
            raise self._failed(answer(response), remedy, passing=response.status_code in _PASSING)
        if response.headers.get("Content-Type", "").strip().lower().startswith("text/html"):
            remedy = "Open it in a browser, and copy the address of the picture itself."
            raise ImageError("This is a web page, not a picture", self.where, remedy)
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
            raise self._failed("the server compressed it without being asked")
        length = response.headers.get("Content-Length", "").strip()
        if re.fullmatch(r"[0-9]{1,20}", length) and int(length) > self.max_bytes:
            raise self._too_large()
        data = io.BytesIO()
        for block in response.iter_raw():
            if data.tell() + len(block) > self.max_bytes:
                raise self._too_large()
            data.write(block)
        return data.getvalue()

    def _too_large(self) -> ImageError:
        what = f"The picture is larger than the limit of {self.max_bytes} bytes"
        return ImageError(what, self.where, "Save it smaller, or raise max_bytes.")


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
