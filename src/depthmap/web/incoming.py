"""A checkpoint that is sent to the server: on the disk as it comes, then in the cache, else nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request

from ..cache import ModelCache
from ..errors import DepthmapError
from ..store import Store
from ..store.commit import require_space, staged, sweep_staged
from ..store.directory import PARTIAL
from ..store.names import TENSOR_FORMATS, slug_of

PATH = "/api/models/import"
_NAME = "upload"
_COPIES = len(TENSOR_FORMATS)
"""Files that an import makes, each about as large as what came."""
_BLOCK = 1 << 20


def require_names(cache: ModelCache, name: str, like: str) -> None:
    """Refuse what can be refused before anything is sent.

    Raises
    ------
    UsageError
        When no model can have that name.
    UnknownModel
        When there is no model ``like``.
    """
    slug_of(name)
    if like:
        cache.spec(like)


@asynccontextmanager
async def received(request: Request, store: Store) -> AsyncIterator[Path]:
    """Write a request's body where the cache stages files; the file is there as long as the context lasts.

    Raises
    ------
    InsufficientDiskSpace
        When there is no room for it and for what an import makes of it.
    CacheNotWritable
        When it cannot be written.
    """
    folder = store.folder(PARTIAL)
    sweep_staged(folder, _NAME)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        require_space(folder, int(declared) * (1 + _COPIES))
    with staged(folder, _NAME) as path:
        with path.open("xb", buffering=0) as file:
            block, total = bytearray(), 0
            async for part in request.stream():
                block += part
                if len(block) >= _BLOCK:
                    total += len(block)
                    await run_sync(_write, file.write, bytes(block), folder, total)
                    block.clear()
            await run_sync(_write, file.write, bytes(block), folder, total + len(block))
        yield path


def _write(write: Any, block: bytes, folder: Path, total: int) -> None:
    """Write a block while there is room for the rest of an import of ``total`` bytes."""
    require_space(folder, len(block) + total * _COPIES)
    view = memoryview(block)
    while view:
        view = view[write(view) :]


def take(cache: ModelCache, path: Path, name: str, like: str) -> dict[str, Any]:
    """Import the file; return what ``depthmap models import --json`` prints.

    Raises
    ------
    DepthmapError
        As of `cache.importing.import_file`; where it names the file, that has no name of ours.
    """
    try:
        spec = cache.import_file(path, name, like=like, origin="an upload")
    except DepthmapError as error:
        texts = (text.replace(str(path), "the upload") for text in (error.what, error.where, error.remedy))
        raise type(error)(*texts) from error
    return {
        "model": spec.name,
        "network": spec.network,
        "prefix": cache.detail(spec.slug)["provenance"].get("prefix", ""),
        "files": {format: str(file) for format, file in cache.shelf.cached(spec.slug).items()},
    }
