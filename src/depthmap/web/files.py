"""The cached files that another depthmap may fetch, or mend its own from."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse

from ..cache import ModelCache
from ..cache.check import whole_files
from ..cache.digests import of_pt
from ..catalog import ModelSpec
from ..download import places
from ..errors import ModelUnavailable, UnknownModel
from ..store.names import TENSOR_FORMATS, parse


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


def _digest(cache: ModelCache, spec: ModelSpec, format: str, path: Path) -> str:
    """Return the SHA-256 that is recorded of a file; "" in a cache that could not be written to record it."""
    stores = (place.store for place in cache.shelf.places)
    records = (store.record(spec.slug, format) for store in stores if store.path(spec.slug, format) == path)
    return next((record.digest.sha256 for record in records if record), "")
