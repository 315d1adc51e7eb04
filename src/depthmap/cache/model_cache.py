"""The model cache as users see it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from .. import settings as environment
from ..catalog import ModelSpec
from ..errors import UsageError
from ..settings import Settings
from ..store.names import FORMATS, TENSOR_FORMATS
from . import report
from .shelf import Shelf

if TYPE_CHECKING:
    from ..download import Progress


class ModelCache:
    """The models on this machine.

    Model names may be in upper or lower case. Methods raise the errors of `depthmap.errors`. None of them ever leaves
    a file that looks whole but is not.

    Parameters
    ----------
    cache_dir : path, optional
        Where to keep the models; by default ``DEPTHMAP_CACHE_DIR``, or else `settings.default_cache_dir`.
    settings : Settings, optional
        By default those of the environment.
    accept_licence : bool
        Accept the licence of every model that is downloaded; see ``DEPTHMAP_ACCEPT`` in docs/settings.md.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
        *,
        accept_licence: bool = False,
    ) -> None:
        settings = (settings or environment.from_environment()).with_cache_dir(cache_dir)
        self.settings = settings.accepting() if accept_licence else settings
        self.shelf = Shelf(self.settings)

    @property
    def cache_dir(self) -> Path:
        """The cache directory; if there are several, the one that depthmap writes to."""
        return self.shelf.store.root

    def spec(self, name: str) -> ModelSpec:
        """Return the model of that name, or raise UnknownModel."""
        return self.shelf.spec(name)

    def _slug(self, name: str) -> str:
        """Return the slug of a known model, or of one that has files in the cache, even if nothing says what it is."""
        slug = name.lower()
        return slug if slug in self.shelf.files() else self.spec(name).slug

    def is_cached(self, name: str, format: str | None = None) -> bool:
        """Tell whether the cache has a model's tensors (or its file of one format); embedded models do not count."""
        if format is not None and format not in FORMATS:
            raise UsageError(
                f"{format!r} is not a format of the cache", "", f"Use one of {', '.join(FORMATS)}."
            )
        have = set(self.shelf.cached(name.lower()))
        return format in have if format else bool(have & set(TENSOR_FORMATS))

    def models(self, format: str | None = None) -> list[dict[str, Any]]:
        """Return one entry per model of the catalogue and of the cache; see `report.rows`."""
        return report.rows(self.shelf, format)

    def info(self) -> dict[str, Any]:
        """Return what the cache holds; see `report.info`."""
        return report.info(self.shelf)

    def detail(self, name: str) -> dict[str, Any]:
        """Return provenance, digests and use of one cached model; see `report.detail`."""
        return report.detail(self.shelf, self._slug(name))

    def published(self, name: str) -> dict[str, Any]:
        """Return what is known of a model wherever its files are; see `report.published`."""
        return report.published(self.spec(name))

    def stats(self) -> dict[str, Any]:
        """Return totals and health; see `report.stats`."""
        return report.stats(self.shelf)

    def usage(self) -> dict[str, Any]:
        """Return how many bytes each model and everything else takes on the disk; see `report.usage`."""
        return report.usage(self.shelf)

    def download(
        self,
        name: str,
        formats: Sequence[str] = TENSOR_FORMATS,
        progress: Progress | None = None,
        *,
        cancel: Event | None = None,
        accept_licence: bool = False,
        allow_unverified: bool = False,
    ) -> dict[str, Path]:
        """Cache a model in ``formats`` and return {format: path}; see `fetch.fetch`.

        ``accept_licence`` accepts the model's licence, where that has to be done before a download.
        """
        from .fetch import fetch

        shelf = Shelf(self.settings.accepting()) if accept_licence else self.shelf
        spec = self.spec(name)
        return fetch(shelf, spec, formats, progress, cancel, allow_unverified=allow_unverified)

    def compile(self, name: str) -> dict[str, Any]:
        """Compile a cached model for the installed engines; see `compiling.compile_model`."""
        from .compiling import compile_model

        return compile_model(self.shelf, self.spec(name))

    def plan_download(self, name: str, formats: Sequence[str] = TENSOR_FORMATS) -> dict[str, Any]:
        """Return what `download` would fetch, how much, and whether there is room; see `fetch.plan`."""
        from .fetch import plan

        return plan(self.shelf, self.spec(name), formats)

    def export(
        self, name: str, target: str | os.PathLike[str], format: str = "", *, replace: bool = True
    ) -> Path:
        """Write a model as pt, h5, safetensors or pkl to ``target``; see `transfer.export`."""
        from .transfer import export

        return export(self.shelf, self.spec(name), Path(target), format, replace=replace)

    def import_file(
        self,
        source: str | os.PathLike[str],
        name: str,
        formats: Sequence[str] = TENSOR_FORMATS,
        *,
        replace: bool = False,
        network: str = "",
        like: str = "",
        origin: str = "",
    ) -> ModelSpec:
        """Add a checkpoint to the cache under ``name``, in ``formats``; see `importing.import_file`."""
        from .importing import import_file

        return import_file(
            self.shelf,
            Path(source),
            name,
            wanted=tuple(formats),
            replace=replace,
            network=network,
            like=like,
            origin=origin,
        )

    def adopt(self, name: str, *, dry_run: bool = False) -> Path | None:
        """Reuse a model that torch.hub or Hugging Face's tools have downloaded; return the file, or None.

        A model that already has a whole file stays as it is. See `adopt.adopt`.
        """
        from .adopt import adopt

        return adopt(self.shelf, self.spec(name), dry_run=dry_run).source

    def verify(self, name: str | None = None, progress: Progress | None = None) -> list[dict[str, Any]]:
        """Read every byte of one model's files, or of all; see `upkeep.verify`."""
        from .upkeep import verify

        slugs = [self._slug(name)] if name else list(self.shelf.files())
        return verify(self.shelf, slugs, progress)

    def repair(
        self, name: str, progress: Progress | None = None, *, cancel: Event | None = None
    ) -> list[dict[str, Any]]:
        """Replace a model's damaged files; see `upkeep.repair`."""
        from .upkeep import repair

        return repair(self.shelf, self.spec(name), progress, cancel)

    def optimize(self, progress: Progress | None = None, *, dry_run: bool = False) -> dict[str, Any]:
        """Repair or remove damaged files; remove duplicates and stale files; see `tidying.optimize`."""
        from .tidying import optimize

        return optimize(self.shelf, progress, dry_run=dry_run)

    def delete(self, name: str) -> list[Path]:
        """Remove one model from the cache; return the removed files."""
        from .upkeep import delete

        return delete(self.shelf, self._slug(name))

    def clear(self) -> list[Path]:
        """Remove all models from the cache, but no files of others; return the removed files."""
        from .upkeep import clear

        return clear(self.shelf)

    def pin(self, name: str, pinned: bool = True) -> None:
        """Protect a model from eviction, or with ``pinned=False`` stop protecting it."""
        from .upkeep import pin

        pin(self.shelf, self.spec(name), pinned)

    def evict(self, max_bytes: int, *, dry_run: bool = False) -> list[str]:
        """Remove the least recently used models until at most ``max_bytes`` are left; see `budget.evict`."""
        from .budget import evict

        return evict(self.shelf, max_bytes, dry_run=dry_run)
