"""The application: routes, guards and replies put together."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from .. import __version__
from ..cache import ModelCache
from ..settings import Settings
from . import incoming, page, replies, routes
from .downloads import Downloads
from .exports import ExportDirectory
from .limits import Limit, Limits
from .loaded import LoadedModels
from .predicting import Predictor
from .security import BodyLimit, Guard, SecurityHeaders, allowed_hosts
from .tokens import TokenGuard
from .uploads import FRAMING
from .warming import Warming, tidying
from .workers import Workers

BODY_BYTES = 1 << 20
"""The longest body that a request may have, where nothing else is said."""


def limits_of(cache: ModelCache) -> dict[str, Limit]:
    """Return how long a body may be, by the beginning of the path."""
    return {
        "/": BODY_BYTES,
        "/api/predict": cache.settings.max_upload + FRAMING,
        incoming.PATH: sys.maxsize,  # it goes to the disk, and is bounded by the room there is
    }


def build(settings: Settings | None, hosts: Collection[str], *, warm: bool, token: str | None) -> FastAPI:
    """Return the application for these settings; `depthmap.web.create_app` describes it."""
    cache = ModelCache(settings=settings)
    _ = cache.shelf.catalog  # a catalogue file that cannot be used stops the server, not each request
    models = LoadedModels(cache)
    downloads = Downloads(cache)
    token = cache.settings.token if token is None else token
    app = FastAPI(
        title="depthmap",
        version=__version__,
        summary="The model cache of this machine",
        docs_url=None,  # FastAPI's own page runs scripts of a foreign host, which could then clear the cache
        redoc_url=None,
        redirect_slashes=False,  # a redirect has no JSON body
        lifespan=_lifespan(
            downloads.lifespan, partial(tidying, models), *([Warming(models).lifespan] if warm else [])
        ),
        default_response_class=replies.Json,
        exception_handlers=replies.HANDLERS,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guard, hosts=allowed_hosts(hosts)),
            *([Middleware(TokenGuard, token=token)] if token else []),
            Middleware(BodyLimit, limits=Limits(limits_of(cache)), seconds=cache.settings.timeout),
        ],
    )
    app.state.cache = cache
    app.state.models = models
    app.state.predictor = Predictor(models, cache.settings)
    app.state.exports = ExportDirectory(cache.settings.export_dir or Path.cwd(), cache)
    app.state.workers = Workers()
    app.state.downloads = downloads
    for router in (page.router, *routes.ROUTERS):
        app.include_router(router)
    return app


def _lifespan(
    *parts: Callable[[], AbstractAsyncContextManager[None]],
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return what goes on beside the requests for as long as the application runs."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                await stack.enter_async_context(part())
            yield

    return lifespan
