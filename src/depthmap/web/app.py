"""The application: routes, guards and replies put together."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware

from .. import __version__
from ..cache import ModelCache
from ..settings import Settings
from . import page, replies, routes
from .exports import ExportDirectory
from .security import BodyLimit, Guard, SecurityHeaders, allowed_hosts
from .warming import DefaultEstimator
from .workers import Workers

BODY_BYTES = 1 << 20
"""The longest body that a request may have."""


def build(settings: Settings | None, hosts: Collection[str], *, warm: bool) -> FastAPI:
    """Return the application for these settings; `depthmap.web.create_app` describes it."""
    cache = ModelCache(settings=settings)
    _ = cache.shelf.catalog  # a catalogue file that cannot be used stops the server, not each request
    estimator = DefaultEstimator(cache)
    app = FastAPI(
        title="depthmap",
        version=__version__,
        summary="The model cache of this machine",
        docs_url=None,  # FastAPI's own page runs scripts of a foreign host, which could then clear the cache
        redoc_url=None,
        redirect_slashes=False,  # a redirect has no JSON body
        lifespan=estimator.lifespan if warm else None,
        default_response_class=replies.Json,
        exception_handlers=replies.HANDLERS,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guard, hosts=allowed_hosts(hosts)),
            Middleware(BodyLimit, nbytes=BODY_BYTES, seconds=cache.settings.timeout),
        ],
    )
    app.state.cache = cache
    app.state.estimator = estimator
    app.state.exports = ExportDirectory(cache.settings.export_dir or Path.cwd(), cache)
    app.state.workers = Workers()
    app.include_router(page.router)
    app.include_router(routes.index)
    app.include_router(routes.models)
    return app
