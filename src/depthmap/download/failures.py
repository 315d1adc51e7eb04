"""What can go wrong at a source, sorted by whether asking again may help."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..errors import DepthmapError, DownloadError, NetworkTimeout
from .sources import shown

if TYPE_CHECKING:
    import httpx

REMEDY = "Check the connection, or name a mirror in DEPTHMAP_MIRRORS."
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which the same request may succeed later; 403 too, when it says when (GitHub's rate limit)."""

_UNKNOWN_NAME = {
    code for code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)) if code is not None
}


class PassingFailure(DownloadError):
    """A failure that may have passed when the source is asked again, after ``wait`` seconds if the server said so."""

    wait: float = 0.0


def passing(what: str, url: str, wait: float = 0.0) -> PassingFailure:
    """Return the failure of a source that may do better later."""
    failure = PassingFailure(what, shown(url), REMEDY)
    failure.wait = wait
    return failure


def lasting(what: str, url: str) -> DownloadError:
    """Return the failure of a source that will not do better."""
    return DownloadError(what, shown(url), REMEDY)


def may_pass(failure: DepthmapError) -> bool:
    """Tell whether asking again may help."""
    return isinstance(failure, (PassingFailure, NetworkTimeout))


def retry_after(text: str, now: float | None = None) -> float:
    """Return the seconds that a Retry-After header asks to wait: a number, or a date; 0 when it makes no sense."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
    return max(0.0, moment - (time.time() if now is None else now))


def refused(response: httpx.Response, url: str) -> DownloadError:
    """Return the failure that an answer other than 200 and 206 is."""
    wait = retry_after(response.headers.get("Retry-After", ""))
    what = f"the server answered {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in PASSING_STATUS or (response.status_code == 403 and wait):
        return passing(what + (f" and asks to wait {wait:.0f} s" if wait else ""), url, wait)
    return lasting(what, url)


@contextmanager
def translated(url: str, timeout: float) -> Iterator[None]:
    """Turn what httpx raises into our errors."""
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise timed_out(url, timeout) from error
    except httpx.TooManyRedirects as error:
        raise lasting("the server redirects without end", url) from error
    except httpx.ConnectError as error:
        kind = lasting if _is_unknown_name(error) else passing
        raise kind(f"no connection ({error})", url) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError) as error:
        raise lasting(f"it cannot be asked ({error})", url) from error
    except httpx.DecodingError as error:
        raise lasting(f"its encoding cannot be undone ({error})", url) from error
    except httpx.HTTPError as error:
        raise passing(f"the transfer broke off ({error or type(error).__name__})", url) from error


def _is_unknown_name(error: BaseException | None) -> bool:
    """Tell whether the name of the server does not exist, rather than that it cannot be looked up just now."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno in _UNKNOWN_NAME
        error = error.__cause__ or error.__context__
    return False


def timed_out(url: str, timeout: float) -> NetworkTimeout:
    """Return the failure of a source that let the time-out pass."""
    return NetworkTimeout(f"no answer within {timeout:g} s", shown(url), REMEDY)
