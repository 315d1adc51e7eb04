"""What can go wrong at a source, sorted by whether asking again may help."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..errors import DepthmapError, DownloadError, NetworkTimeout
from ..fetching import shown
from ..fetching.reasons import answer, is_unknown_name, reason
from . import hub

if TYPE_CHECKING:
    import httpx

REMEDY = "Check the connection, or name a mirror in DEPTHMAP_MIRRORS."
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which the same request may succeed later; 403 too, when it says when (GitHub's rate limit)."""


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
    what = ": ".join(part for part in (answer(response), hub.said(response)) if part)
    if response.status_code in PASSING_STATUS or (response.status_code == 403 and wait):
        return passing(what + (f" and asks to wait {wait:.0f} s" if wait else ""), url, wait)
    return hub.denied(response, url, what) or lasting(what, url)


@contextmanager
def translated(url: str, timeout: float) -> Iterator[None]:
    """Turn what httpx raises into our errors."""
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise timed_out(url, timeout) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        kind = lasting if _lasts(error) else passing
        raise kind(reason(error, timeout), url) from error


def _lasts(error: Exception) -> bool:
    """Tell whether the same request would fail in the same way again."""
    import httpx

    lasting_ones = (
        httpx.TooManyRedirects,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
        httpx.ProxyError,
        httpx.DecodingError,
    )
    return isinstance(error, lasting_ones) or (
        isinstance(error, httpx.ConnectError) and is_unknown_name(error)
    )


def timed_out(url: str, timeout: float) -> NetworkTimeout:
    """Return the failure of a source that let the time-out pass."""
    return NetworkTimeout(f"no answer within {timeout:g} s", shown(url), REMEDY)
