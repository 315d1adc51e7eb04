"""The routes about the cache as a whole that are there from the beginning, and its files for other machines."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from ... import loader
from ...cache import ModelCache
from ...errors import UnknownModel, UsageError
from .. import files
from ..replies import Json, Success, success
from .base import REPLIES, Cache, Exports, JsonRoute, Loaded, Long

router = APIRouter(prefix="/api/models", tags=["models"], route_class=JsonRoute, responses=REPLIES)


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


@router.get("/cache/info", response_model=Success, summary="What the cache holds, file by file")
def cache_info(cache: Cache) -> Json:
    """Answer cache_dir, models, total_size_mb, total_files, formats."""
    return success(**cache.info())


@router.get(
    "/status", response_model=Success, summary="All models, cached or available, and the cache's health"
)
def status(cache: Cache, loaded: Loaded) -> Json:
    """Answer models, stats, the model used when none is named, why, and whether it is ready."""
    name, reason = default_model(cache)
    return success(
        models=cache.models(),
        stats=cache.stats(),
        default_model=name,
        default_model_reason=reason,
        default_model_state=loaded.state,
    )


def default_model(cache: ModelCache) -> tuple[str | None, str]:
    """Return the model that is used where none is named, and why it is; None where there is no such model."""
    try:
        spec, reason = loader.choose(cache)
    except UnknownModel as error:  # DEPTHMAP_MODEL names one that is not there, or no longer
        return None, str(error)
    return spec.name, reason


@router.post("/cache/clear", response_model=Success, summary="Remove every model from the cache")
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


@router.post(
    "/cache/optimize",
    response_model=Success,
    summary="Verify every byte; remove damaged files, duplicates and leftovers",
)
async def optimize_cache(cache: Cache, long: Long) -> Json:
    """Answer files_checked, files_removed, space_freed_mb, errors, removed."""
    return success(**await long.run(cache.optimize))


@router.post(
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


@router.get(
    "/files/{path:path}",
    response_class=FileResponse,
    summary="A model's file or a range of it, for downloads and repairs on other machines",
)
def file(path: str, cache: Cache) -> FileResponse:
    """Answer the bytes of a whole cached .pt or .h5."""
    return files.reply(cache, path)
