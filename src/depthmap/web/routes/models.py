"""The models: what there is, and what can be done with one of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.exceptions import HTTPException

from ...cache import ModelCache
from ...catalog import by_accuracy
from ...errors import UnknownModel, UsageError
from ...settings import parse_size
from ...store.names import ARTEFACT
from ..replies import Json, Success, success
from .base import REPLIES, Cache, JsonRoute, Loaded, Long
from .cache import default_model

router = APIRouter(prefix="/api/models", tags=["models"], route_class=JsonRoute, responses=REPLIES)
_NOT_MODELS = {"status": "GET", "import": "POST", "evict": "POST"}
"""Addresses beside those of models, and the method that they accept."""


class DeleteRequest(BaseModel):
    """What removing a model takes."""

    model_config = ConfigDict(extra="forbid")
    confirm: StrictBool = Field(False, description="Must be true. Removes the model's files.")


class PinRequest(BaseModel):
    """What pinning takes."""

    model_config = ConfigDict(extra="forbid")
    pinned: StrictBool = Field(True, description="false lets the model be evicted again.")


class EvictRequest(BaseModel):
    """What an eviction takes."""

    model_config = ConfigDict(extra="forbid")
    max_size: str | int = Field(description="How much may stay: 2GB, 500MB, 1.5GiB, or a number of bytes.")
    dry_run: StrictBool = Field(False, description="Only say what would go.")


@router.get("", response_model=Success, summary="The models, what each needs, and the disk they are on")
def models(cache: Cache, loaded: Loaded) -> Json:
    """Answer models, the default model, disk and health."""
    name, reason = default_model(cache)
    return success(
        models=_rows(cache),
        default_model=name,
        default_model_reason=reason,
        default_model_state=loaded.state,
        disk=_disk(cache),
        health=cache.stats()["cache_health"],
    )


def _rows(cache: ModelCache) -> list[dict[str, Any]]:
    may_be_default = {spec.slug for spec in by_accuracy(cache.shelf.catalog)}
    return [
        {
            **row,
            "memory_mb": _memory(cache, row["slug"]),
            "compiled": row["status"] == "embedded"
            or (ARTEFACT in row["formats"] and _compiled(cache, row["slug"])),
            "can_default": row["status"] == "embedded" or row["slug"] in may_be_default,
        }
        for row in cache.models()
    ]


def _memory(cache: ModelCache, slug: str) -> int | None:
    """Return about how many MB a model needs to run; None for one of which nothing says what it is."""
    try:
        return round(cache.spec(slug).memory / 1e6)
    except UnknownModel:
        return None


def _compiled(cache: ModelCache, slug: str) -> bool:
    from ...cache.compiling import is_compiled

    try:
        return is_compiled(cache.shelf, cache.spec(slug))
    except UnknownModel:
        return False


def _disk(cache: ModelCache) -> dict[str, Any]:
    usage = cache.usage()
    return {
        "used_bytes": usage["total"],
        "budget_bytes": usage["max_size"],
        "free_bytes": usage["free"],
        "cache_dir": usage["cache_dir"],
    }


@router.post("/evict", response_model=Success, summary="Remove the models that were not used for longest")
async def evict(request: EvictRequest, cache: Cache, long: Long) -> Json:
    """Answer the models that went, and the bytes that are left."""
    try:
        size = parse_size(str(request.max_size)[:40])
    except ValueError as error:
        raise UsageError(f"max_size: {error}", "", 'Send {"max_size": "2GB"}.') from error
    gone = await long.run(partial(cache.evict, size, dry_run=request.dry_run))
    return success(evicted=gone, bytes_left=_left(cache, gone), dry_run=request.dry_run)


def _left(cache: ModelCache, gone: list[str]) -> int:
    from ...cache.budget import bytes_of, held

    return bytes_of(model for model in held(cache.shelf) if model.slug not in gone)


@router.post("/{name}/verify", response_model=Success, summary="Check every byte of a model's files")
async def verify(name: str, cache: Cache, long: Long) -> Json:
    """Answer files [{model, format, path, ok, error}], and how many are damaged; nothing is changed."""
    results = await long.run(partial(cache.verify, name))
    return success(files=results, damaged=sum(not result["ok"] for result in results))


@router.post("/{name}/repair", response_model=Success, summary="Repair a model's damaged files")
async def repair(name: str, cache: Cache, long: Long) -> Json:
    """Answer files [{model, format, action, leaves, bytes_fetched}]."""
    spec = cache.spec(name)
    actions = await long.run(partial(cache.repair, spec.name))
    return success(files=[{"model": spec.name, **action} for action in actions])


@router.post("/{name}/compile", response_model=Success, summary="Prepare a model for the engines")
async def compile_model(name: str, cache: Cache, long: Long) -> Json:
    """Answer model, path, weights, reference and errors {engine: relative error}."""
    return success(**await long.run(partial(cache.compile, name)))


@router.post("/{name}/pin", response_model=Success, summary="Protect a model from eviction, or no longer")
async def pin(name: str, cache: Cache, long: Long, request: PinRequest | None = None) -> Json:
    """Answer the model, and whether it is pinned."""
    pinned = request is None or request.pinned
    await long.run(partial(cache.pin, name, pinned))
    return success(model=cache.spec(name).name, pinned=pinned)


@router.delete("/{name}", response_model=Success, summary="Remove a model from the cache")
async def delete(name: str, cache: Cache, long: Long, request: DeleteRequest | None = None) -> Json:
    """Answer the files that went; without ``confirm`` nothing does."""
    if name in _NOT_MODELS:
        raise HTTPException(405, headers={"Allow": _NOT_MODELS[name]})
    if request is None or not request.confirm:
        raise UsageError(
            "Removing a model must be confirmed; nothing was removed", name, """Send {"confirm": true}."""
        )
    removed = await long.run(partial(cache.delete, name))
    return success(files_removed=len(removed), removed=[str(path) for path in removed])
