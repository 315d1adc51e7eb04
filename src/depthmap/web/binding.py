"""Who can reach an address that is listened on, and what is asked of them. Loads no framework."""

from __future__ import annotations

import ipaddress
import secrets

from ..settings import Settings

_ANY = ("", "0.0.0.0", "::", "[::]")  # noqa: S104  # to compare with


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def token_for(host: str, token: str | None, settings: Settings) -> tuple[str, bool]:
    """Return the token that a server on ``host`` asks for, "" for none; and whether it was made just now.

    One that is given counts, also ""; then ``DEPTHMAP_TOKEN``, unless only this machine can reach the host.
    """
    if token is not None:
        return token, False
    if is_loopback(host):
        return "", False
    if settings.token:
        return settings.token, False
    return secrets.token_urlsafe(24), True


def link(host: str, port: int, token: str) -> str:
    """Return the address that opens the server for a browser on this machine."""
    shown = "localhost" if host in _ANY else f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{shown}:{port}/?token={token}"
