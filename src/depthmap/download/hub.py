"""What is particular to Hugging Face's hub: which servers are it, who gets the token, and how it refuses."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import AccessDenied, UsageError
from ..fetching import shown
from ..fetching.addresses import literal

if TYPE_CHECKING:
    import httpx

HUB = "https://huggingface.co"
_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LONGEST = 300
_RESOLVE = "/resolve/"
KINDS = ("spaces/", "datasets/")
"""How repositories begin that hold no model."""


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL, in one spelling."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    try:
        port = parts.port or _PORTS.get(scheme, 0)
    except ValueError:  # no number, and so nobody's
        port = -1
    return scheme, (parts.hostname or "").lower(), port


def is_authentic(url: str) -> bool:
    """Tell whether what comes from a URL is its server's word: by HTTPS, or from this machine itself."""
    scheme, host, _ = origin(url)
    address = literal(host)
    return scheme == "https" or (
        scheme == "http" and bool(address) and ipaddress.ip_address(address).is_loopback
    )


def is_hub(url: str) -> bool:
    """Tell whether a URL is of the hub: Hugging Face's own, or the one that ``HF_ENDPOINT`` names."""
    return origin(url) in (origin(HUB), origin(os.environ.get("HF_ENDPOINT") or HUB))


def authorization(url: str) -> dict[str, str]:
    """Return the header that shows the token in ``HF_TOKEN`` to the hub; none for any other server, nor in the clear.

    httpx takes it off when the hub redirects to another server.

    Raises
    ------
    UsageError
        When no header can hold the token; it does not say what the token is.
    """
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token or not is_hub(url) or not is_authentic(url):
        return {}
    if not _TOKEN.fullmatch(token):
        raise UsageError("HF_TOKEN is no access token of the hub", "HF_TOKEN", "Correct it or unset it.")
    return {"Authorization": f"Bearer {token}"}


def said(response: httpx.Response) -> str:
    """Return what the hub says of a refusal in its headers, or nothing."""
    code, message = (response.headers.get(f"X-Error-{name}", "") for name in ("Code", "Message"))
    return ": ".join(part for part in (code, message) if part)[:_LONGEST]


def denied(response: httpx.Response, url: str, what: str) -> AccessDenied | None:
    """Return the error of a file that is given to some only, where an answer is that refusal of the hub."""
    if response.status_code not in (401, 403) or not (said(response) or is_hub(str(response.url))):
        return None  # a refusal of the server that the hub redirects to is about no terms
    page = shown(url).split(_RESOLVE)[0]
    token = (
        "check that HF_TOKEN is a token of that account"
        if os.environ.get("HF_TOKEN")
        else "set HF_TOKEN to an access token of your account"
    )
    return AccessDenied(what, shown(url), f"Accept its terms at {page}, and {token}.")


def place(url: str) -> tuple[str, str]:
    """Return repository and file name of a URL of the form that the hub has; else nothing, twice.

    A repository is ``OWNER/NAME``; one that holds no model has its kind in front, such as ``spaces/OWNER/NAME``.
    """
    repository, resolve, rest = urlsplit(url).path.strip("/").partition(_RESOLVE)
    name = rest.partition("/")[2]
    of_kind = repository.startswith(KINDS)
    return (repository, name) if resolve and repository.count("/") == 1 + of_kind and name else ("", "")


def pointer_url(url: str) -> str:
    """Return where the hub gives the pointer that stands for a large file; nothing for a URL of another form."""
    head, resolve, rest = url.partition(_RESOLVE)
    return f"{head}/raw/{rest}" if resolve else ""
