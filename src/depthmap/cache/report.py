"""What is in the cache, as builtins. Imports nothing heavy: `depthmap models list` runs on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..catalog import RECOMMENDED, ModelSpec
from ..licences import licence_of
from ..store.commit import free_space
from ..store.names import TENSOR_FORMATS
from .budget import held, size_of, total_bytes
from .shelf import Shelf

_LARGE = 5e9
_CLUTTERED = 50
MB = 1e6


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _file(path: Path) -> dict[str, Any] | None:
    """Return what is shown of a file, or None when it has gone since it was listed."""
    try:
        status = path.stat()
    except OSError:
        return None
    return {
        "size_mb": round(status.st_size / MB, 3),
        "path": str(path),
        "last_modified": _date(status.st_mtime),
    }


def info(shelf: Shelf) -> dict[str, Any]:
    """Return what the cache holds: cache_dir, models {slug: {formats, total_size_mb, last_modified, ...}}, totals.

    Of each model, ``source_sha256`` is the digest of the file that it came from, and ``digest`` says how that was known
    (see `record`): both are empty where nothing is recorded.

    Sizes are in MB (10⁶ bytes), dates ISO 8601 in UTC. Files that are not ours are not counted.
    """
    models = {}
    for slug, paths in shelf.files().items():
        entries = {format: shown for format, path in paths.items() if (shown := _file(path))}
        if not entries:
            continue
        models[slug] = {
            "formats": entries,
            "total_size_mb": round(sum(e["size_mb"] for e in entries.values()), 3),
            "last_modified": max(e["last_modified"] for e in entries.values()),
            **_source(shelf, slug),
        }
    counts = Counter(format for model in models.values() for format in model["formats"])
    return {
        "cache_dir": str(shelf.store.root),
        "models": models,
        "total_size_mb": round(sum(m["total_size_mb"] for m in models.values()), 3),
        "total_files": sum(counts.values()),
        "formats": dict(counts),
    }


def _source(shelf: Shelf, slug: str) -> dict[str, str]:
    manifest = shelf.known(slug)
    provenance = manifest.provenance if manifest else {}
    sha256, spec = provenance.get("sha256", ""), shelf.catalog.get(slug)
    published = (
        "published" if spec and sha256 and sha256 == spec.sha256 else ""
    )  # which older records do not say
    return {"source_sha256": sha256, "digest": provenance.get("digest", published)}


def stats(shelf: Shelf) -> dict[str, Any]:
    """Return totals, the largest and the smallest model, and ``cache_health``.

    That is "large" above 5 GB, else "cluttered" above 50 files, else "good".
    """
    content = info(shelf)
    sizes = {slug: model["total_size_mb"] for slug, model in content["models"].items()}
    total, files = content["total_size_mb"], content["total_files"]
    health = "large" if total * MB > _LARGE else "cluttered" if files > _CLUTTERED else "good"

    def named(slug: str | None) -> dict[str, Any] | None:
        return {"name": slug, "size_mb": sizes[slug]} if slug else None

    return {
        "total_models": len(sizes),
        "total_size_mb": total,
        "total_files": files,
        "formats": content["formats"],
        "average_model_size_mb": round(total / len(sizes), 3) if sizes else 0.0,
        "largest_model": named(max(sizes, key=sizes.__getitem__, default=None)),
        "smallest_model": named(min(sizes, key=sizes.__getitem__, default=None)),
        "cache_health": health,
    }


def rows(shelf: Shelf, format: str | None = None) -> list[dict[str, Any]]:
    """Return one entry per model, the catalogue's first: name, slug, status, formats, size_mb, and what `_facts` says.

    ``status`` is "cached", "embedded", "available" (known, to be downloaded) or "incomplete"; ``format`` keeps the
    models that are cached in it.
    """
    cached = shelf.files()
    specs = {
        slug: shelf.catalog.get(slug)
        for slug in [*shelf.catalog, *(s for s in cached if s not in shelf.catalog)]
    }
    out: list[dict[str, Any]] = []
    for slug, spec in specs.items():
        paths = cached.get(slug, {})
        manifest = shelf.known(slug) if "pkl" in paths else None
        spec = spec or (manifest.spec if manifest else None)
        has_tensors = bool(set(paths) & set(TENSOR_FORMATS))
        embedded = bool(spec and spec.embedded)
        size = sum(size_of(path) for path in paths.values())
        out.append(
            {
                "name": spec.name if spec else slug,
                "slug": slug,
                "status": "cached"
                if has_tensors
                else "embedded"
                if embedded
                else "available"
                if spec and spec.url
                else "incomplete",
                "formats": list(paths),
                "size_mb": round(size / MB, 3),
                "download_mb": round(spec.bytes / MB, 3) if spec and spec.url else 0.0,
                "pinned": bool(manifest and manifest.pinned),
                **_facts(spec),
            }
        )
    return [row for row in out if format is None or format in row["formats"]]


def _facts(spec: ModelSpec | None) -> dict[str, Any]:
    """Return what is known of a model wherever its files are, as builtins.

    ``kind`` is one of `depth.KINDS`, ``terms`` the licence that is to be accepted before a download.
    """
    return {
        "parameters": spec.parameters if spec else 0,
        "licence": spec.licence if spec else "unknown",
        "about": spec.about if spec else "",
        "group": spec.group if spec else "",
        "kind": spec.kind if spec else "",
        "terms": spec.terms if spec else "",
        "short": bool(spec and spec.short),
        "recommended": bool(spec and spec.name == RECOMMENDED),
    }


def published(spec: ModelSpec) -> dict[str, Any]:
    """Return what is known of a model wherever its files are, and where it was published."""
    return {
        "name": spec.name,
        "network": spec.network,
        **_facts(spec),
        "download_mb": round(spec.bytes / MB, 3) if spec.url else 0.0,
        "url": spec.url,
        "terms_url": licence_of(spec).url if spec.terms else "",
        "accuracy": spec.accuracy,
        "accuracy_source": spec.accuracy_source,
    }


def detail(shelf: Shelf, slug: str) -> dict[str, Any]:
    """Return what is known of one cached model beyond its files: provenance, digests, use.

    ``shared_with`` names for each format the models whose file is the same one on the disk.
    """
    manifest = shelf.known(slug)
    files = shelf.cached(slug)
    used = shelf.store.last_used(slug)
    return {
        "provenance": dict(manifest.provenance) if manifest else {},
        "sha256": {
            format: record.digest.sha256
            for format, record in (manifest.files.items() if manifest else ())
            if format in files
        },
        "shared_with": _shared(shelf, slug, files),
        "pinned": bool(manifest and manifest.pinned),
        "network": manifest.spec.network if manifest else "unknown",
        "last_used": _date(used) if used else None,
    }


def _shared(shelf: Shelf, slug: str, files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return {format: slugs} of the models that have a file in common with this one."""
    found: dict[str, list[str]] = {}
    for format, path in files.items():
        with suppress(OSError):
            if path.stat().st_nlink > 1:
                others = ((s, p[format]) for s, p in shelf.files().items() if s != slug and format in p)
                found[format] = [s for s, p in others if p.samefile(path)]
    return {format: slugs for format, slugs in found.items() if slugs}


def usage(shelf: Shelf) -> dict[str, Any]:
    """Return what takes how much room in the directory that is written, in bytes.

    cache_dir; models {slug: {format: bytes}}, the largest first; partial_files, damaged_files; shared (what the
    models' sizes count twice, since two names share a file); total; free; max_size (None: no limit); and of each model
    pinned and in_use.
    """
    store = shelf.store
    models = {
        slug: {format: size_of(path) for format, path in paths.items()}
        for slug, paths in store.files().items()
    }
    total = total_bytes(shelf)
    partial = sum(size_of(path) for _, path in store.partial())
    damaged = sum(size_of(path) for _, path in store.aside())
    state = held(shelf)
    return {
        "cache_dir": str(store.root),
        "models": dict(sorted(models.items(), key=lambda item: -sum(item[1].values()))),
        "partial_files": partial,
        "damaged_files": damaged,
        "shared": sum(sum(sizes.values()) for sizes in models.values()) - total,
        "total": total + partial + damaged,
        "free": free_space(store.root),
        "max_size": shelf.settings.max_size,
        "pinned": [model.slug for model in state if model.pinned],
        "in_use": [model.slug for model in state if model.in_use],
    }
