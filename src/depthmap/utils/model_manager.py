"""The model manager under the names that users have; `depthmap.ModelCache` is what it stands on."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from .. import settings as environment
from ..cache import ModelCache
from ..errors import UsageError
from ..settings import Settings

__all__ = ["ModelManager", "get_model_manager"]


class ModelManager:
    """The cache of models, as dictionaries.

    Methods raise the errors of `depthmap.errors`. Sizes are in MB (10⁶ bytes), dates ISO 8601 in UTC, models named
    by their slug, such as ``"dpt_large"``, in upper or lower case.
    """

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache

    @property
    def cache_dir(self) -> Path:
        """Where the models are."""
        return self._cache.cache_dir

    def is_model_cached(self, model_name: str, format: str | None = None) -> bool:
        """Tell whether the cache holds a model, or its file of one format: "pt", "h5" or "pkl"."""
        return self._cache.is_cached(model_name, format)

    def get_cache_info(self) -> dict[str, Any]:
        """Return what the cache holds.

        Keys: cache_dir, models {slug: {formats {format: {size_mb, path, last_modified}}, total_size_mb,
        last_modified, source_sha256, digest}}, total_size_mb, total_files, formats {format: count}.
        ``source_sha256`` is the digest of the file that the model came from, and ``digest`` says how it is known.
        """
        return self._cache.info()

    def get_cache_stats(self) -> dict[str, Any]:
        """Return totals.

        Keys: total_models, total_size_mb, total_files, formats, average_model_size_mb, largest_model and
        smallest_model {name, size_mb} or None, cache_health ("good", "large" above 5 GB, "cluttered" above 50 files).
        """
        return self._cache.stats()

    def export_model(self, model_name: str, export_path: str | os.PathLike[str], format: str = "") -> Path:
        """Write a model as "pt", "h5", "safetensors" or "pkl", by default as the file name ends; return its path."""
        return self._cache.export(model_name, export_path, format)

    def import_model(
        self, import_path: str | os.PathLike[str], model_name: str, *, replace: bool = False
    ) -> str:
        """Add a checkpoint to the cache as ``model_name``; return its slug."""
        return self._cache.import_file(import_path, model_name, replace=replace).slug

    def delete_model(self, model_name: str) -> bool:
        """Remove a model from the cache; return whether there was anything to remove."""
        return bool(self._cache.delete(model_name))

    def clear_cache(self, confirm: bool = False) -> bool:
        """Remove all models from the cache; return whether there was anything to remove.

        Raises
        ------
        UsageError
            Without ``confirm=True``.
        """
        if not confirm:
            raise UsageError(
                "All models would be removed",
                self.cache_dir,
                "Call clear_cache(confirm=True) if you mean that.",
            )
        return bool(self._cache.clear())

    def optimize_cache(self) -> dict[str, Any]:
        """Remove damaged files, duplicates and partial files.

        Returns files_checked, files_removed, space_freed_mb, errors.
        """
        tally = self._cache.optimize()
        return {key: tally[key] for key in ("files_checked", "files_removed", "space_freed_mb", "errors")}


def get_model_manager(cache_dir: str | os.PathLike[str] | None = None) -> ModelManager:
    """Return the manager of a cache directory, by default the environment's: always the same one."""
    return _manager(environment.from_environment().with_cache_dir(cache_dir))


@lru_cache(maxsize=32)
def _manager(settings: Settings) -> ModelManager:
    return ModelManager(ModelCache(settings=settings))
