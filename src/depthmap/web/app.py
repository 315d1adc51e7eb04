"""The application: routes, guards and replies put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from .. import __version__
from ..cache import ModelCache
from ..settings import Settings
from . import incoming, replies, routes
from .downloads import Downloads
from .exports import ExportDirectory
from .security import BodyLimit, Guard, SecurityHeaders, allowed_hosts
from .tokens import TokenGuard
from .warming import DefaultEstimator
from .workers import Workers

BODY_BYTES = 1 << 20
"""The longest body that a request may have."""


Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def _together(*parts: Lifespan) -> Lifespan:
    """Return what runs as long as an application does, of several such things."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await stack.enter_async_context(part(app))
            yield

    return lifespan


def build(settings: Settings | None, hosts: Collection[str], *, warm: bool, token: str | None) -> FastAPI:
    """Return the application for these settings; `depthmap.web.create_app` describes it."""
    cache = ModelCache(settings=settings)
    _ = cache.shelf.catalog  # a catalogue file that cannot be used stops the server, not each request
    estimator = DefaultEstimator(cache)
    downloads = Downloads(cache)
    token = cache.settings.token if token is None else token
    app = FastAPI(
        title="depthmap",
        version=__version__,
        summary="The model cache of this machine",
        docs_url=None,  # FastAPI's own page runs scripts of a foreign host, which could then clear the cache
        redoc_url=None,
        redirect_slashes=False,  # a redirect has no JSON body
        lifespan=_together(downloads.lifespan, *([estimator.lifespan] if warm else [])),
        default_response_class=replies.Json,
        exception_handlers=replies.HANDLERS,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guard, hosts=allowed_hosts(hosts)),
            *([Middleware(TokenGuard, token=token)] if token else []),
            Middleware(
                BodyLimit, nbytes=BODY_BYTES, seconds=cache.settings.timeout, streamed={incoming.PATH}
            ),
        ],
    )
    app.state.cache = cache
    app.state.estimator = estimator
    app.state.exports = ExportDirectory(cache.settings.export_dir or Path.cwd(), cache)
    app.state.workers = Workers()
    app.state.downloads = downloads
    for router in routes.ROUTERS:
        app.include_router(router)
    return app
