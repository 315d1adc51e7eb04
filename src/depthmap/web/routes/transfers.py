"""Models in and out as files: import by upload, export as a download."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from starlette.responses import Response

from ...errors import FileError
from .. import files, incoming
from ..replies import Success, failure, success
from .base import REPLIES, Cache, Long

router = APIRouter(prefix="/api/models", tags=["models"], responses=REPLIES)
_RAW = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.get("/{name}/export", response_class=FileResponse, summary="A model as a file")
async def export(
    name: str, cache: Cache, long: Long, format: Literal["pt", "h5", "safetensors", "pkl"] = "pt"
) -> Response:
    """Answer the file, whose ETag is its SHA-256 where it lies in the cache as it is."""
    return await long.run(partial(files.export, cache, name, format))


@router.post(
    "/import",
    response_model=Success,
    summary="Add a checkpoint of your own to the cache: the body is the file",
    openapi_extra={"requestBody": {"required": True, **_RAW}},
)
async def import_model(
    request: Request,
    cache: Cache,
    long: Long,
    name: Annotated[str, Query(max_length=100, description="Name to give the model.")],
    like: Annotated[
        str,
        Query(
            alias="as",
            max_length=100,
            description="Of which model's kind it is, if several have its tensors.",
        ),
    ] = "",
    accept_licence: Annotated[
        bool, Query(description="Taken as for a download; an import asks for no licence.")
    ] = False,
) -> Response:
    """Answer model, network, prefix (removed from its tensors' names) and files {format: path}."""
    incoming.require_names(cache, name, like)
    try:
        async with incoming.received(request, cache.shelf.store) as path:
            taken = await long.run(partial(incoming.take, cache, path, name, like))
    except FileError as error:  # it is the client's file that is damaged, none of ours
        return failure(error, 422)
    return success(**taken)
