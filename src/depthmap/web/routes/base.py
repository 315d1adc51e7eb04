"""What the routes share: how bodies are read, and what they work with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from ...cache import ModelCache
from ..downloads import Downloads
from ..exports import ExportDirectory
from ..loaded import LoadedModels
from ..predicting import Predictor
from ..replies import Failure
from ..workers import Workers


class JsonRoute(APIRoute):
    """Reads a body as JSON whatever its Content-Type says: ``curl -d`` says that it is a form.

    Other sites' pages cannot use that: `security.Guard` has refused them by their Origin.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with the header set right."""
        handle = super().get_route_handler()

        async def handle_as_json(request: Request) -> Response:
            others = [header for header in request.scope["headers"] if header[0].lower() != b"content-type"]
            scope = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
            return await handle(Request(scope, request.receive))

        return handle_as_json


def _cache(request: Request) -> ModelCache:
    return request.app.state.cache  # type: ignore[no-any-return]  # starlette's state is untyped


def _exports(request: Request) -> ExportDirectory:
    return request.app.state.exports  # type: ignore[no-any-return]  # as above


def _workers(request: Request) -> Workers:
    return request.app.state.workers  # type: ignore[no-any-return]  # as above


def _loaded(request: Request) -> LoadedModels:
    return request.app.state.models  # type: ignore[no-any-return]  # as above


def _predictor(request: Request) -> Predictor:
    return request.app.state.predictor  # type: ignore[no-any-return]  # as above


def _downloads(request: Request) -> Downloads:
    return request.app.state.downloads  # type: ignore[no-any-return]  # as above


Cache = Annotated[ModelCache, Depends(_cache)]
Exports = Annotated[ExportDirectory, Depends(_exports)]
Long = Annotated[Workers, Depends(_workers)]
Loaded = Annotated[LoadedModels, Depends(_loaded)]
Predicting = Annotated[Predictor, Depends(_predictor)]
Jobs = Annotated[Downloads, Depends(_downloads)]
REPLIES: dict[int | str, dict[str, Any]] = {"default": {"model": Failure}, 422: {"model": Failure}}
"""What every route may answer besides what it is there for."""
