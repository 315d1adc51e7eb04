"""What httpx raises and servers answer, in words; for pictures and for models."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_UNKNOWN_NAME = {
    code for code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)) if code is not None
}


def reason(error: Exception, timeout: float) -> str:
    """Return why a request failed, for an error of httpx's; ``timeout`` is the one that it was given."""
    import httpx

    table: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (httpx.TimeoutException, f"no answer within {timeout:g} s"),
        (httpx.TooManyRedirects, "the server redirects without end"),
        (httpx.ConnectError, f"no connection ({error})"),
        (
            (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError),
            f"the request is not possible ({error})",
        ),
        (httpx.DecodingError, f"its answer cannot be decoded ({error})"),
    )
    broken = f"the transfer broke off ({str(error) or type(error).__name__})"
    return next((text for kind, text in table if isinstance(error, kind)), broken)


def answer(response: httpx.Response) -> str:
    """Return what a server answered, when that was no file."""
    return f"the server answered {response.status_code} {response.reason_phrase}".rstrip()


def is_unknown_name(error: BaseException | None) -> bool:
    """Tell whether the name of the server does not exist, rather than that it cannot be looked up just now."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno in _UNKNOWN_NAME
        error = error.__cause__ or error.__context__
    return False
