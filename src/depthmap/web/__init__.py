"""The web API: the cache over HTTP, for this machine's user. See ``docs/web-api.md``.

Importing this module loads neither FastAPI nor uvicorn. Serving the cache loads an engine only to warm the model.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from ..settings import Settings, from_environment

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app", "serve"]


def create_app(
    settings: Settings | None = None,
    *,
    hosts: Collection[str] = (),
    warm: bool = False,
    token: str | None = None,
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
    token : str, optional
        What each request has to show; see ``docs/web-api.md``. By default ``DEPTHMAP_TOKEN``, and if that is not set,
        or with "", nothing is asked for.

    Raises
    ------
    UsageError
        If a setting, or the catalogue that one names, cannot be used.
    """
    from .app import build

    return build(settings, hosts, warm=warm, token=token)


def serve(
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    settings: Settings | None = None,
    hosts: Collection[str] = (),
    warm: bool = False,
    token: str | None = None,
    workers: int = 1,
) -> None:
    """Serve until the process is told to stop (Ctrl-C, SIGTERM); then end the open requests.

    Parameters
    ----------
    host : str
        Address or name to listen on. ``0.0.0.0`` and ``::`` let in other machines.
    port : int
        0 takes any free port; the log on stderr says which.
    settings, hosts, warm
        As for `create_app`; ``host`` itself is always among the hosts.
    token : str, optional
        What each request has to show. By default none where only this machine can reach ``host``; elsewhere
        ``DEPTHMAP_TOKEN``, or one that is made and logged as a link. With "" whoever reaches the port may do anything.
    workers : int
        Processes that answer; each has a queue and loaded models of its own, and they share the weights' memory.

    Raises
    ------
    UsageError
        If the server cannot listen on the address, or a setting cannot be used.
    """
    from .binding import token_for

    settings = settings or from_environment()
    token, made = token_for(host, token, settings)
    make = partial(create_app, settings, hosts=[*hosts, host], warm=warm, token=token)
    if workers > 1:
        from .processes import Processes

        make(warm=False)  # what is wrong with the settings is said once, and here
        Processes(make, workers, host, port, token, made=made).run()
        return
    from .server import run

    run(make(), host, port, token, made=made)
