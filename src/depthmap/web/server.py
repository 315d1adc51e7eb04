"""The server process: its sockets, its log, its end."""

from __future__ import annotations

import copy
import errno
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from ..errors import UsageError
from .binding import link
from .tokens import HideTokens

log = logging.getLogger("uvicorn.error")
_LAST_SECONDS = 10
"""How long requests under way may still take when the server is told to stop."""
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_REASONS = {
    errno.EADDRINUSE: "another program uses this port",
    errno.EACCES: "only the administrator may use this port",
}


def configure(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration: everything it says goes to stderr."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=log_config(),
        ws="none",
        proxy_headers=False,  # nothing here depends on who a client says it is
        server_header=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def log_config() -> dict[str, Any]:
    """Return what `logging.config` takes."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["handlers"]["access"] |= {"stream": "ext://sys.stderr", "filters": ["hide_tokens"]}
    config["filters"] = {"hide_tokens": {"()": HideTokens}}
    return config


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of ``host``.

    Raises
    ------
    UsageError
        When there is none that can be listened on.
    """
    if not 0 <= port < 65536:
        raise UsageError("A port is a number from 0 to 65535", port, "Choose another port.")
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, address in _addresses(host, port):
        try:
            sockets.append(socket.create_server(address, family=family, backlog=2048))
        except OSError as error:
            failure = error
            if error.errno not in _NO_SUCH_ADDRESS:  # localhost may name ::1 on a machine without IPv6
                break
    if failure and (not sockets or failure.errno not in _NO_SUCH_ADDRESS):
        for opened in sockets:
            opened.close()
        raise _refused(failure, host, port) from failure
    return sockets


def _addresses(host: str, port: int) -> Sequence[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _refused(error, host, port) from error
    addresses = list(dict.fromkeys((entry[0], entry[4]) for entry in found))
    return addresses if port else addresses[:1]  # any free port is another one for each address


def _refused(error: Exception, host: str, port: int) -> UsageError:
    code = getattr(error, "errno", None)
    reason = _REASONS.get(code or 0) or getattr(error, "strerror", None) or str(error)
    airplay = (
        " On macOS, AirPlay Receiver uses port 5000." if code == errno.EADDRINUSE and port == 5000 else ""
    )
    return UsageError(
        f"The server cannot start: {reason}",
        f"{host}, port {port}",
        f"Choose another port or host.{airplay}",
    )


class Server(uvicorn.Server):
    """uvicorn, which tells what stays open for ever when it begins to stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; streams of events end, and are not waited for."""
        self.config.app.state.downloads.stopped.set()  # type: ignore[union-attr]  # it is our FastAPI
        await super().shutdown(sockets)


def run(app: FastAPI, host: str, port: int, token: str = "", *, made: bool = False) -> None:
    """Serve until told to stop; `depthmap.web.serve` describes it. A ``token`` that was made just now is shown."""
    sockets = listen(host, port)
    server = Server(configure(app, host, port))
    say_where(host, sockets[0].getsockname()[1], token, made=made)
    with suppress(KeyboardInterrupt):
        server.run(sockets=sockets)


def say_where(host: str, port: int, token: str, *, made: bool) -> None:
    """Log the address, and how to get in where a token is asked for; one that was made just now is shown."""
    shown = f"[{host}]" if ":" in host else host
    log.info("depthmap answers on http://%s:%d (Ctrl-C stops it)", shown, port)
    if made:
        log.info("It asks for a token. This link has it: %s", link(host, port, token))
    elif token:
        log.info("It asks for the token that you gave it.")
