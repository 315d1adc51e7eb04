"""The token that a server asks for where other machines can reach it."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import logging
import re
from base64 import b64decode
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .replies import refusal
from .security import only

OPEN = ("/api/healthz",)
"""What anybody may ask: whether the server lives."""
COOKIE = "depthmap_token"
CHALLENGE = 'Basic realm="depthmap", charset="UTF-8", Bearer realm="depthmap"'
_IN_LINK = re.compile(r"(?<=[?&]token=)[^&\s]*")


class TokenGuard:
    """Refuses requests that do not show the token (401).

    They may show it as a bearer's, as the password of Basic, with whatever name, or by the cookie that the link
    ``/?token=TOKEN`` sets. The cookie does not hold the token, but what only it can give.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self._token = _digest(token)
        self._cookie = _digest(f"cookie:{token}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        linked = _linked(scope)
        if linked is not None and self._is_token(linked):
            answer: ASGIApp = RedirectResponse("/", 303, {"Set-Cookie": self._set_cookie(scope)})
        elif linked is None and (self._is_token(_shown(scope)) or self._is_cookie(scope)):
            answer = self.app
        else:
            answer = refusal(401, headers={"WWW-Authenticate": CHALLENGE})
        await answer(scope, receive, send)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(_digest(text), self._token)

    def _is_cookie(self, scope: Scope) -> bool:
        return hmac.compare_digest(_cookie(scope), self._cookie)

    def _set_cookie(self, scope: Scope) -> str:
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        return f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _digest(text: str) -> str:
    """Return what is compared: of one length, whatever the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _linked(scope: Scope) -> str | None:
    """Return the token in the link to the page, or None where it is another request."""
    if scope["method"] != "GET" or scope["path"] != "/":
        return None
    values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("token")
    return values[0] if values else None


def _shown(scope: Scope) -> str:
    """Return the token in the Authorization header; "" where there is none."""
    kind, _, value = only(scope, b"authorization").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return b64decode(value, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _cookie(scope: Scope) -> str:
    """Return the value of our cookie, as ASCII; "" where there is none."""
    try:
        found = SimpleCookie(only(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found and found.value.isascii() else ""


class HideTokens(logging.Filter):
    """Takes the token out of the log of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _IN_LINK.sub("...", part) if isinstance(part, str) else part for part in record.args
            )
        return True
