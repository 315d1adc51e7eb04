"""One request to one URL, over a connection to an address that was checked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ImageError
from .addresses import check_literal, resolve

if TYPE_CHECKING:
    import ssl

    import httpx

_HEADERS = {
    "User-Agent": f"depthmap/{__version__}",
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # so that no bytes turn into many more
}
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


class Asker:
    """Asks for URLs: without cookies, without following, ``timeout`` seconds for each wait.

    ``connected`` is given each socket as soon as there is one, so that another thread can end a wait.
    """

    def __init__(
        self, where: str, timeout: float, connected: Callable[[socket.socket], None], *, allow_private: bool
    ) -> None:
        self.where = where
        self.timeout = timeout
        self.connected = connected
        self.allow_private = allow_private

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import httpx

        return httpx.create_ssl_context()  # a tenth of a second, so once for all redirects

    @contextmanager
    def ask(self, url: httpx.URL, login: tuple[str, str] | None) -> Iterator[httpx.Response]:
        """Yield the answer, its body still to come.

        A name is resolved once, and what was checked is what is connected to: the request goes to the address, and
        the name goes into its Host header and into the TLS handshake, which the certificate must fit. Through a
        proxy that the environment names, the proxy resolves; then only hosts written as addresses can be refused.

        Raises
        ------
        ImageError
            When an address is refused, or the proxy cannot be used.
        httpx.HTTPError, httpx.InvalidURL
            When it fails.
        """
        import httpx

        proxy = _proxy(url)
        headers = {**_HEADERS, "Host": url.netloc.decode("ascii"), **_authorisation(login)}
        try:
            transport = httpx.HTTPTransport(verify=self._tls, proxy=proxy or None)
        except (ValueError, httpx.InvalidURL, ImportError) as error:
            what = f"The proxy in your environment cannot be used ({error})"
            raise ImageError(what, self.where, "Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY.") from error
        with transport:
            response = self._first(transport, url, headers, proxied=bool(proxy))
            try:
                yield response
            finally:
                response.close()

    def _first(
        self, transport: httpx.HTTPTransport, url: httpx.URL, headers: dict[str, str], *, proxied: bool
    ) -> httpx.Response:
        """Return the answer of the first address at which somebody listens."""
        import httpx

        failure: Exception = httpx.ConnectError("the name has no address")
        for target in self._targets(url, proxied=proxied):
            extensions = {
                "timeout": httpx.Timeout(self.timeout).as_dict(),
                "trace": self._trace,
                "sni_hostname": url.raw_host.decode("ascii"),
            }
            try:
                request = httpx.Request("GET", target, headers=headers, extensions=extensions)
                return transport.handle_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def _targets(self, url: httpx.URL, *, proxied: bool) -> list[httpx.URL]:
        import httpx

        host = url.raw_host.decode("ascii")
        if proxied:
            if not self.allow_private:
                check_literal(host, self.where)
            return [url]
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        try:
            addresses = resolve(host, port, self.where, allow_private=self.allow_private)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(str(error)) from error
        return [url.copy_with(host=address) for address in addresses]

    def _trace(self, event: str, facts: dict[str, Any]) -> None:
        stream = facts.get("return_value")
        if event in _CONNECTED and (found := stream and stream.get_extra_info("socket")):
            self.connected(found)


def _authorisation(login: tuple[str, str] | None) -> dict[str, str]:
    if not login:
        return {}
    from base64 import b64encode

    return {"Authorization": "Basic " + b64encode(":".join(login).encode()).decode("ascii")}


def _proxy(url: httpx.URL) -> str:
    """Return the proxy that the environment (or the system's settings) name for a URL, or ""."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(url.host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"
