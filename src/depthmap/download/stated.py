"""What a source states of its file: its digest, which nobody else knows beforehand.

The hub of Hugging Face does so in the answer that sends on to the file's bytes, and in the Git LFS pointer that stands
for the file. Only what comes by HTTPS counts.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin

from ..errors import DownloadError
from . import hub
from .failures import may_pass, refused, timed_out, translated
from .pauses import LONGEST, pause
from .reading import PATIENCE, http_client, parted, traced

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 5
_POINTER = 1024
"""Bytes that a Git LFS pointer has at most."""
_ETAG = re.compile(r'"?([0-9a-f]{64})"?')
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SIZE = re.compile(r"\d{1,18}")
_OID = re.compile(r"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_LENGTH = re.compile(r"^size (\d{1,18})$", re.MULTILINE)
_NO_HEAD = (405, 501)


class Stated(NamedTuple):
    """What a source says of its file; empty and 0 where it does not say. ``commit`` is the revision that has it."""

    sha256: str = ""
    size: int = 0
    commit: str = ""


def stated(url: str, timeout: float, retries: int, tick: Callable[[float], None] = lambda _: None) -> Stated:
    """Return what the server of ``url`` states of the file there.

    Parameters
    ----------
    url : str
        The official source; a server that only passes on files of others has no word to give.
    timeout : float
        Seconds to wait for a connection and for each next byte; twice as long for a whole answer.
    retries : int
        Times to ask again after a failure that may pass.
    tick : callable, optional
        Called during a wait, with the seconds that are left. What it raises ends it.

    Raises
    ------
    AccessDenied
        When the file is given to some only.
    DownloadError
        When the server has no such file, or does not answer.
    """
    if not hub.is_authentic(url):
        return Stated()
    failed = 0
    while True:
        try:
            return _ask(url, timeout)
        except DownloadError as error:
            failed, wait = failed + 1, float(getattr(error, "wait", 0.0))
            if failed > retries or wait > LONGEST or not may_pass(error):
                raise
        pause(failed, wait, tick)


def _ask(url: str, timeout: float) -> Stated:
    with http_client(url, timeout) as client:
        said = _of_headers(client, url, timeout)
        pointer = hub.pointer_url(url)
        if said.sha256 or not pointer:
            return said
        found = _of_pointer(_beginning(client, pointer, timeout))
        return found._replace(commit=said.commit) if found.sha256 else said


def _of_headers(client: httpx.Client, url: str, timeout: float) -> Stated:
    """Return what the hub's own answers say; where they lead to another server, it is not asked."""
    here = url
    for _ in range(_MOST_REDIRECTS):
        with _answer(client, "HEAD", here, timeout) as response:
            headers = response.headers
            digest = _ETAG.fullmatch(headers.get("X-Linked-Etag", ""))
            commit = headers.get("X-Repo-Commit", "")
            size = headers.get(
                "X-Linked-Size", headers.get("Content-Length", "") if response.is_success else ""
            )
            found = Stated(
                digest[1] if digest else "",
                int(size) if _SIZE.fullmatch(size) else 0,
                commit if _COMMIT.fullmatch(commit) else "",
            )
            there = urljoin(here, headers.get("Location", "")) if response.has_redirect_location else ""
            if found.sha256 or response.is_success or response.status_code in _NO_HEAD:
                return found
            if not there:
                raise refused(response, here)
        if hub.origin(there) != hub.origin(here):
            return found
        here = there
    return Stated()


def _beginning(client: httpx.Client, url: str, timeout: float) -> str:
    """Return the first bytes of a small text, or nothing where there is none."""
    with _answer(client, "GET", url, timeout) as response:
        if not response.is_success:
            return ""
        data = b""
        for block in response.iter_bytes(_POINTER):
            data += block
            if len(data) > _POINTER:
                return ""
        return data.decode("utf-8", "replace")


def _of_pointer(text: str) -> Stated:
    digest, size = _OID.search(text), _LENGTH.search(text)
    if not text.startswith("version https://git-lfs") or not digest or not size:
        return Stated()
    return Stated(digest[1], int(size[1]))


@contextmanager
def _answer(client: httpx.Client, method: str, url: str, timeout: float) -> Iterator[httpx.Response]:
    """Ask, and follow no redirect. A server that sends a byte now and then is not waited for."""
    sockets: list[socket.socket] = []
    late = threading.Event()

    def end() -> None:
        late.set()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(PATIENCE * timeout, end)
    timer.daemon = True
    timer.start()
    headers = {"Accept-Encoding": "identity", **hub.authorization(url)}
    extensions: dict[str, Any] = {"trace": traced(sockets.append)}
    plain, login = parted(url)
    try:
        with (
            translated(url, timeout),
            client.stream(
                method, plain, headers=headers, auth=login, extensions=extensions, follow_redirects=False
            ) as response,
        ):
            yield response
    except DownloadError as error:
        if late.is_set():
            raise timed_out(url, timeout) from error
        raise
    finally:
        timer.cancel()
