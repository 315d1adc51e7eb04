"""The web API: the cache over HTTP, for this machine's user. See ``docs/web-api.md``.

Importing this module loads neither FastAPI nor uvicorn. Serving the cache loads an engine only to warm the model.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from ..settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app", "serve"]


def create_app(
    settings: Settings | None = None, *, hosts: Collection[str] = (), warm: bool = False
) -> FastAPI:
    """Return the ASGI application.

    Parameters
    ----------
    settings : Settings, optional
        By default those of the environment.
    hosts : collection of str
        More names that the server answers to, without the port: what a request's Host header may say. The server
        always answers to ``localhost``, ``127.0.0.1``, ``[::1]`` and the address that a client connected to.
    warm : bool
        Load the default model in a thread once the application runs, and predict once.

    Raises
    ------
    UsageError
        If a setting, or the catalogue that one names, cannot be used.
    """
    from .app import build

    return build(settings, hosts, warm=warm)


def serve(
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    settings: Settings | None = None,
    hosts: Collection[str] = (),
    warm: bool = False,
    workers: int = 1,
) -> None:
    """Serve until the process is told to stop (Ctrl-C, SIGTERM); then end the open requests.

    Parameters
    ----------
    host : str
        Address or name to listen on. ``0.0.0.0`` and ``::`` let in other machines: nothing asks for a password.
    port : int
        0 takes any free port; the log on stderr says which.
    settings, hosts, warm
        As for `create_app`; ``host`` itself is always among the hosts.
    workers : int
        Processes that answer; each has a queue and loaded models of its own, and they share the weights' memory.

    Raises
    ------
    UsageError
        If the server cannot listen on the address, or a setting cannot be used.
    """
    hosts = [*hosts, host]
    if workers > 1:
        from .processes import Processes

        create_app(settings, hosts=hosts)  # what is wrong with the settings is said once, and here
        Processes(partial(create_app, settings, hosts=hosts, warm=warm), workers, host, port).run()
        return
    from .server import run

    run(create_app(settings, hosts=hosts, warm=warm), host, port)
