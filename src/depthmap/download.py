"""URL → verified staged file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import DepthmapError, DigestMismatch, DownloadError, NetworkTimeout
from .store import Digest, Hasher

if TYPE_CHECKING:
    import httpx

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done and the bytes in all (0: unknown)."""

_BLOCK = 1 << 20
_REMEDY = "Check the connection, or name a mirror in DEPTHMAP_MIRRORS."


def sources(url: str, path: str, mirrors: Sequence[str]) -> list[str]:
    """Return the URLs at which a checkpoint may be, mirrors first.

    A mirror may keep the folders of the releases (``v3/dpt_large_384.pt``) or the plain file (``dpt_large_384.pt``).
    """
    plain = path.rsplit("/", 1)[-1]
    candidates = [mirror + part for mirror in mirrors for part in (path, plain)]
    return list(dict.fromkeys([*candidates, url]))


def download(
    urls: Sequence[str],
    target: Path,
    size: int,
    sha256: str,
    timeout: float,
    progress: Progress | None = None,
) -> Digest:
    """Fetch the file that has ``sha256`` from the first of ``urls`` that gives it, into ``target``.

    Parameters
    ----------
    urls : sequence of str
        http(s):// and file:// URLs, in the order in which they are tried.
    target : Path
        Where the bytes go; it is overwritten.
    size, sha256 : int, str
        What the file must be; a size of 0 is unknown.
    timeout : float
        Seconds to wait for a connection and for each next byte.

    Raises
    ------
    NetworkTimeout
        When every source that was there let the time-out pass.
    DigestMismatch
        When one gave other bytes than the published ones and none the right ones.
    DownloadError
        When none gave the file; the message names each source and what it said.
    """
    failures: list[DepthmapError] = []
    for url in urls:
        try:
            return _fetch(url, target, size, sha256, timeout, progress)
        except DownloadError as error:
            failures.append(error)
    raise _summary(failures)


def _summary(failures: Sequence[DepthmapError]) -> DepthmapError:
    kinds = {type(failure) for failure in failures}
    kind = next((k for k in (DigestMismatch, NetworkTimeout) if k in kinds), DownloadError)
    said = "; ".join(f"{failure.where}: {failure.what}" for failure in failures)
    return kind(
        f"the download failed: {said}" if said else "there is no source to download it from", "", _REMEDY
    )


def _fetch(
    url: str, target: Path, size: int, sha256: str, timeout: float, progress: Progress | None
) -> Digest:
    hasher = Hasher()
    name = url.rsplit("/", 1)[-1]
    reading = _read_file(url) if url.startswith("file:") else _read_http(url, size, timeout)
    with reading as blocks, target.open("wb") as file:
        for block in blocks:
            hasher.update(block)
            if size and hasher.size > size:
                raise DownloadError(f"it gives more than the {size} bytes that the file has", url, _REMEDY)
            file.write(block)
            if progress:
                progress(f"Downloading {name}", hasher.size, size)
    digest = hasher.digest()
    if size and digest.size != size:
        raise DownloadError(f"it ended after {digest.size} of {size} bytes", url, _REMEDY)
    if digest.sha256 != sha256:
        raise DigestMismatch(
            f"SHA-256 is {digest.sha256[:16]}…, {sha256[:16]}… is expected; the bytes were dropped",
            url,
            _REMEDY,
        )
    return digest


@contextmanager
def _read_file(url: str) -> Iterator[Iterator[bytes]]:
    from urllib.request import url2pathname  # slow to import, and only file:// needs it

    path = Path(url2pathname(urlsplit(url).path))
    try:
        with path.open("rb") as file:
            yield iter(lambda: file.read(_BLOCK), b"")
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DownloadError(str(error.strerror), url, _REMEDY) from error


@contextmanager
def _read_http(url: str, size: int, timeout: float) -> Iterator[Iterator[bytes]]:
    import httpx

    client = httpx.Client(timeout=timeout, follow_redirects=True, headers={"Accept-Encoding": "identity"})
    with _translated(url, timeout), client, client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise DownloadError(
                f"the server answered {response.status_code} {response.reason_phrase}", url, _REMEDY
            )
        _check_length(response, url, size)
        yield response.iter_bytes(_BLOCK)


def _check_length(response: httpx.Response, url: str, size: int) -> None:
    length = response.headers.get("Content-Length", "")
    if size and re.fullmatch(r"\d+", length) and int(length) != size:
        kind = response.headers.get("Content-Type", "unknown type")
        raise DownloadError(f"it offers {length} bytes ({kind}), the file has {size}", url, _REMEDY)


@contextmanager
def _translated(url: str, timeout: float) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise NetworkTimeout(f"no answer within {timeout:g} s", url, _REMEDY) from error
    except httpx.TooManyRedirects as error:
        raise DownloadError("the server redirects without end", url, _REMEDY) from error
    except httpx.ConnectError as error:
        raise DownloadError(f"no connection ({error})", url, _REMEDY) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadError(
            f"the transfer broke off ({error or type(error).__name__})", url, _REMEDY
        ) from error
