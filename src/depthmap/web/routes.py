"""The routes under ``/api/models``, and an index."""

from __future__ import annotations

import html
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.responses import Response

from .. import __version__, loader
from ..cache import ModelCache
from ..errors import UnknownModel, UsageError
from . import files
from .exports import ExportDirectory
from .loaded import LoadedModels
from .replies import Failure, Json, Success, success
from .workers import Workers


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


class ClearRequest(BaseModel):
    """What clearing takes."""

    model_config = ConfigDict(extra="forbid")
    confirm: StrictBool = Field(False, description="Must be true. Removes all models.")


class ExportRequest(BaseModel):
    """What an export takes."""

    model_config = ConfigDict(extra="forbid")
    export_path: str = Field(
        min_length=1,
        max_length=4096,
        description="Below the export directory; ends in .pt, .h5, .safetensors or .pkl.",
    )
    format: str = Field(
        "", max_length=16, description="pt, h5, safetensors or pkl; by default the path's suffix decides."
    )
    overwrite: StrictBool = Field(False, description="Replace an existing file.")


def _cache(request: Request) -> ModelCache:
    return request.app.state.cache  # type: ignore[no-any-return]  # starlette's state is untyped


def _exports(request: Request) -> ExportDirectory:
    return request.app.state.exports  # type: ignore[no-any-return]  # as above


def _workers(request: Request) -> Workers:
    return request.app.state.workers  # type: ignore[no-any-return]  # as above


def _loaded(request: Request) -> LoadedModels:
    return request.app.state.models  # type: ignore[no-any-return]  # as above


Cache = Annotated[ModelCache, Depends(_cache)]
Exports = Annotated[ExportDirectory, Depends(_exports)]
Long = Annotated[Workers, Depends(_workers)]
Loaded = Annotated[LoadedModels, Depends(_loaded)]
_REPLIES: dict[int | str, dict[str, Any]] = {"default": {"model": Failure}, 422: {"model": Failure}}

index = APIRouter(responses=_REPLIES)
models = APIRouter(prefix="/api/models", tags=["models"], route_class=JsonRoute, responses=_REPLIES)


@models.get("/cache/info", response_model=Success, summary="What the cache holds, file by file")
def cache_info(cache: Cache) -> Json:
    """Answer cache_dir, models, total_size_mb, total_files, formats."""
    return success(**cache.info())


@models.get(
    "/status", response_model=Success, summary="All models, cached or available, and the cache's health"
)
def status(cache: Cache, loaded: Loaded) -> Json:
    """Answer models, stats, the model used when none is named, why, and whether it is ready."""
    name, reason = _default(cache)
    return success(
        models=cache.models(),
        stats=cache.stats(),
        default_model=name,
        default_model_reason=reason,
        default_model_state=loaded.state,
    )


def _default(cache: ModelCache) -> tuple[str | None, str]:
    try:
        spec, reason = loader.choose(cache)
    except UnknownModel as error:  # DEPTHMAP_MODEL names one that is not there, or no longer
        return None, str(error)
    return spec.name, reason


@models.post("/cache/clear", response_model=Success, summary="Remove every model from the cache")
async def clear_cache(cache: Cache, long: Long, request: ClearRequest | None = None) -> Json:
    """Answer the files that went; files that are not ours stay."""
    if request is None or not request.confirm:
        raise UsageError(
            "Clearing removes every model and must be confirmed; nothing was removed",
            "",
            """Send {"confirm": true}.""",
        )
    removed = await long.run(cache.clear)
    return success(files_removed=len(removed), removed=[str(path) for path in removed])


@models.post(
    "/cache/optimize",
    response_model=Success,
    summary="Verify every byte; remove damaged files, duplicates and leftovers",
)
async def optimize_cache(cache: Cache, long: Long) -> Json:
    """Answer files_checked, files_removed, space_freed_mb, errors, removed."""
    return success(**await long.run(cache.optimize))


@models.post(
    "/export/{name}", response_model=Success, summary="Write a model to a file below the export directory"
)
async def export_model(name: str, request: ExportRequest, exports: Exports, long: Long) -> Json:
    """Answer where the file is, its format and its size."""
    job = partial(exports.export, name, request.export_path, request.format, overwrite=request.overwrite)
    path = await long.run(job)
    return success(
        model=exports.cache.spec(name).name,
        format=path.suffix.lower().lstrip("."),
        export_path=str(path),
        size_mb=round(path.stat().st_size / 1e6, 3),
    )


@models.get(
    "/files/{path:path}",
    response_class=FileResponse,
    summary="A model's file or a range of it, for downloads and repairs on other machines",
)
def file(path: str, cache: Cache) -> FileResponse:
    """Answer the bytes of a whole cached .pt or .h5."""
    return files.reply(cache, path)


def _routes(request: Request) -> list[tuple[str, str]]:
    paths = request.app.openapi()["paths"]
    return [
        (f"{method.upper()} {path}", operation["summary"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


@index.get("/", response_model=Success, summary="The routes")
def root(request: Request) -> Json:
    """Answer the routes and what they do."""
    about = {"name": "depthmap", "version": __version__, "docs": "/docs", "openapi": "/openapi.json"}
    return success(**about, routes=dict(_routes(request)))


@index.get("/docs", response_class=HTMLResponse, include_in_schema=False)
def docs(request: Request) -> str:
    """Answer the routes as a page: plain, for a script from elsewhere could act in our name."""
    rows = "".join(f"<dt><code>{html.escape(r)}</code><dd>{html.escape(s)}" for r, s in _routes(request))
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>depthmap</title>"
    return f'{head}<h1>depthmap {__version__}</h1><dl>{rows}</dl><p><a href="/openapi.json">OpenAPI</a>'
