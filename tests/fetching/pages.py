"""A real HTTP server on loopback whose pages are functions, and which keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Page = Callable[[BaseHTTPRequestHandler], None]


def sends(body: bytes, kind: str = "image/png", status: int = 200, **headers: str) -> Page:
    """Answer with a body, whole, under its right length unless another is given."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return page


def redirects(location: str, **headers: str) -> Page:
    """Send elsewhere."""
    return sends(b"", status=302, Location=location, **headers)


def endless(block: bytes, pause: float = 0.0) -> Page:
    """Send a block again and again, without a length."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not handler.server.stopped.wait(pause):  # type: ignore[attr-defined]  # it is a Pages
            handler.wfile.write(block)

    return page


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the server stops."""
    handler.server.stopped.wait()  # type: ignore[attr-defined]  # as above


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    """Send one header after another for ever."""
    handler.send_response(200)
    while not handler.server.stopped.wait(0.05):  # type: ignore[attr-defined]  # as above
        handler.wfile.write(b"X: y\r\n")
        handler.wfile.flush()


class Pages(ThreadingHTTPServer):
    """Serves ``pages`` by their path; ``asked`` are the paths and headers of all requests."""

    daemon_threads = True

    def __init__(self, pages: Mapping[str, Page], certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = dict(pages)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a page."""
        return f"{self.scheme}://{host}:{self.server_port}{path}"

    def stop(self) -> None:
        """End the server and what it still sends."""
        self.stopped.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Pages

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        with suppress(OSError):
            self.server.pages.get(self.path.split("?")[0], sends(b"", status=404))(self)
