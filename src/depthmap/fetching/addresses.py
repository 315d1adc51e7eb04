"""Which addresses a URL from outside may lead to: public ones, judged by the address and not by the name."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from ..errors import ImageError

_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: how networks of IPv6 alone reach IPv4
_REMEDY = "If you trust the address, use --allow-private, or allow_private=True in Python."


def is_public(address: str) -> bool:
    """Tell whether an IPv4 or IPv6 address is a single machine's on the public Internet.

    Private, loopback, link-local, multicast, documentation and reserved addresses are not; of an IPv6 address that
    holds an IPv4 one (mapped, 6to4, NAT64) that one counts. What is no address is not public either.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if parsed not in _GLOBAL_6:
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def literal(host: str) -> str:
    """Return the address that a host is without anybody being asked, or "" where it is a name.

    ``127.1``, ``0x7f000001`` and ``2130706433`` are addresses too, and ``localhost`` is always this machine.
    """
    plain = host.strip("[]").rstrip(".").lower()
    if plain == "localhost" or plain.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(plain))
    except (OSError, UnicodeError):
        return ""


def check_literal(host: str, where: str) -> None:
    """Raise ImageError when a host is written as an address, and that is not public."""
    if (address := literal(host)) and not is_public(address):
        raise _refused(host, address, where)


def resolve(host: str, port: int, where: str, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host, each of them checked, in the order in which they are to be tried.

    Raises
    ------
    ImageError
        When one of them is not public; a name that also leads inside is not trusted at all.
    socket.gaierror
        When there is no such host.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return addresses if allow_private else _all_public(addresses, host, where)


def _all_public(addresses: Sequence[str], host: str, where: str) -> list[str]:
    for address in addresses:
        if not is_public(address):
            raise _refused(host, address, where)
    return list(addresses)


def _refused(host: str, address: str, where: str) -> ImageError:
    which = host if host.strip("[]") == address else f"{host}, which is {address},"
    return ImageError(
        f"{which} is not on the public Internet, so depthmap did not contact it", where, _REMEDY
    )
