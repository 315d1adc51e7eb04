"""The application: routes, guards and replies put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware

from .. import __version__
from ..cache import ModelCache
from ..settings import Settings
from . import replies, routes
from .exports import ExportDirectory
from .limits import Limit, Limits
from .loaded import LoadedModels
from .predict import predict_routes
from .predicting import Predictor
from .security import BodyLimit, Guard, SecurityHeaders, allowed_hosts
from .status import status_routes
from .uploads import FRAMING
from .warming import Warming, tidying
from .workers import Workers

BODY_BYTES = 1 << 20
"""The longest body that a request may have, where nothing else is said."""


def limits_of(cache: ModelCache) -> dict[str, Limit]:
    """Return how long a body may be, by the beginning of the path."""
    return {"/": BODY_BYTES, "/api/predict": cache.settings.max_upload + FRAMING}


def build(settings: Settings | None, hosts: Collection[str], *, warm: bool) -> FastAPI:
    """Return the application for these settings; `depthmap.web.create_app` describes it."""
    cache = ModelCache(settings=settings)
    _ = cache.shelf.catalog  # a catalogue file that cannot be used stops the server, not each request
    models = LoadedModels(cache)
    app = FastAPI(
        title="depthmap",
        version=__version__,
        summary="The model cache of this machine",
        docs_url=None,  # FastAPI's own page runs scripts of a foreign host, which could then clear the cache
        redoc_url=None,
        redirect_slashes=False,  # a redirect has no JSON body
        lifespan=_lifespan(models, warm),
        default_response_class=replies.Json,
        exception_handlers=replies.HANDLERS,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guard, hosts=allowed_hosts(hosts)),
            Middleware(BodyLimit, limits=Limits(limits_of(cache)), seconds=cache.settings.timeout),
        ],
    )
    app.state.cache = cache
    app.state.models = models
    app.state.predictor = Predictor(models, cache.settings)
    app.state.exports = ExportDirectory(cache.settings.export_dir or Path.cwd(), cache)
    app.state.workers = Workers()
    app.include_router(routes.index)
    app.include_router(routes.models)
    app.include_router(predict_routes)
    app.include_router(status_routes)
    return app


def _lifespan(models: LoadedModels, warm: bool) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return what goes on beside the requests for as long as the application runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with tidying(models), Warming(models).lifespan() if warm else nullcontext():
            yield

    return lifespan
