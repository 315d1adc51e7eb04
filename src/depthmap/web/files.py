"""The cached files that another depthmap may fetch, or mend its own from."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import IO

from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..cache import ModelCache
from ..cache.check import whole_files
from ..cache.digests import of_pt
from ..cache.transfer import opened
from ..catalog import ModelSpec
from ..download import places
from ..errors import ModelUnavailable, UnknownModel
from ..store.names import TENSOR_FORMATS, parse

_BLOCK = 1 << 20


def wanted(cache: ModelCache, path: str) -> tuple[ModelSpec, str]:
    """Return the model and the format that a path means.

    Either the name of a cached file (``midas_dpt_large.h5``), or where the sources keep a published checkpoint
    (``v3/dpt_large_384.pt``), if the cache has its bytes: so the server can stand in ``DEPTHMAP_MIRRORS``, for repairs
    and for downloads.

    Raises
    ------
    UnknownModel
        When it is neither.
    """
    named = parse(path)
    if named and named[1] in TENSOR_FORMATS:
        return cache.spec(named[0]), named[1]
    for spec in cache.shelf.catalog.values():
        if spec.path and path in places(spec.url, spec.path) and of_pt(cache.shelf, spec):
            return spec, "pt"
    raise UnknownModel("No model file has this name", path[:200], "GET /api/models/status lists the models.")


def reply(cache: ModelCache, path: str) -> FileResponse:
    """Return a whole file, whose ETag is its SHA-256; the request's Range and If-Range are heeded.

    Raises
    ------
    UnknownModel
        When the path means none.
    ModelUnavailable
        When it is not in the cache, or was found damaged, and set aside.
    """
    spec, format = wanted(cache, path)
    found = whole_files(cache.shelf, spec, (format,))
    if not found:
        raise ModelUnavailable(
            f"The server has no whole .{format} of this model",
            spec.name,
            f"Run 'depthmap models download --model {spec.name} --format {format}' on the server.",
        )
    digest = _digest(cache, spec, format, found[format])
    headers = {"ETag": f'"{digest}"'} if digest else None
    return FileResponse(found[format], media_type="application/octet-stream", headers=headers)


class OpenFile(StreamingResponse):
    """The bytes of an open file, which is closed when they are sent, or the client is gone."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        headers = {
            "Content-Length": str(os.fstat(file.fileno()).st_size),
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        blocks = iter(partial(file.read, _BLOCK), b"")
        super().__init__(blocks, media_type="application/octet-stream", headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def export(cache: ModelCache, name: str, format: str) -> Response:
    """Return a model as an attachment: the cached file as it lies, with its SHA-256 as ETag, else one that is made.

    Raises
    ------
    UnknownModel
        When there is no such model.
    ModelUnavailable
        When it is neither cached nor embedded.
    InsufficientDiskSpace
        When there is no room to make the file.
    """
    spec = cache.spec(name)
    attachment = f"{spec.name}.{format}"
    found = whole_files(cache.shelf, spec, (format,)) if format in TENSOR_FORMATS else {}
    if path := found.get(format):
        digest = _digest(cache, spec, format, path)
        headers = {"ETag": f'"{digest}"'} if digest else None
        return FileResponse(path, media_type="application/octet-stream", filename=attachment, headers=headers)
    return OpenFile(opened(cache.shelf, spec, format), attachment)


def _digest(cache: ModelCache, spec: ModelSpec, format: str, path: Path) -> str:
    """Return the SHA-256 that is recorded of a file; "" in a cache that could not be written to record it."""
    stores = (place.store for place in cache.shelf.places)
    records = (store.record(spec.slug, format) for store in stores if store.path(spec.slug, format) == path)
    return next((record.digest.sha256 for record in records if record), "")
