"""The models that are loaded, ready to predict, within a budget of memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..cache import ModelCache
from ..catalog import ModelSpec
from ..engines import MANY
from ..engines.forking import tell
from ..engines.memory import memory
from ..errors import ModelUnavailable, UnknownModel
from ..loader import choose

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

_SHARE = 2
"""Loaded models may take one part of so many of the machine's memory, unless ``DEPTHMAP_MEMORY`` says how much."""


@dataclass
class Held:
    """A loaded model, and when it was last used."""

    estimator: DepthEstimator
    used: float = field(default_factory=time.monotonic)

    @property
    def spec(self) -> ModelSpec:
        """Which model it is."""
        return self.estimator.spec

    @property
    def idle(self) -> float:
        """Seconds since it was used."""
        return time.monotonic() - self.used


class LoadedModels:
    """The models that are loaded. Many threads may ask for one: one loads it, the others wait.

    What was not used for longest makes room for another, by the estimate of `ModelSpec.memory`; one model may always be
    loaded. What nobody asks for is unloaded after ``DEPTHMAP_KEEP_ALIVE`` seconds (`sweep`), but for the default model.
    """

    def __init__(self, cache: ModelCache) -> None:
        self.cache = cache
        chosen = cache.settings.memory
        self.limit = chosen if chosen is not None else memory() // _SHARE or None
        self._held: dict[str, Held] = {}
        self._failed: set[str] = set()
        self._loading = ""
        self._lock = threading.Lock()
        tell(self)

    def after_fork(self) -> None:
        """Let a forked worker load a model where the thread that was loading it stayed with the parent."""
        self._lock = threading.Lock()
        self._loading = ""

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    @property
    def used(self) -> int:
        """About how many bytes the loaded models take."""
        return sum(held.spec.memory for held in self)

    @property
    def state(self) -> str:
        """Of the default model: "cold", "loading", "ready" or "failed"; then the next request tries again."""
        slug = self.default_slug()
        if slug in self._held:
            return "ready"
        return "loading" if slug == self._loading else "failed" if slug in self._failed else "cold"

    def default_slug(self) -> str:
        """Return the slug of the default model, "" where there is none."""
        try:
            return choose(self.cache)[0].slug
        except UnknownModel:  # DEPTHMAP_MODEL names one that is not there
            return ""

    def spec(self, name: str | None) -> ModelSpec:
        """Return the model of that name, or the default one, if it can be loaded without a download.

        Raises
        ------
        UnknownModel
            When there is no such model.
        ModelUnavailable
            When it is not in the cache.
        """
        spec = self.cache.spec(name) if name else choose(self.cache)[0]
        if self.is_here(spec):
            return spec
        raise ModelUnavailable(
            "The model is not in the cache",
            spec.name,
            f"Run 'depthmap models download {spec.name}' on the server, or download it on its page.",
        )

    def is_here(self, spec: ModelSpec) -> bool:
        """Tell whether a model needs no download."""
        cached = not self.cache.settings.disable_cache and self.cache.is_cached(spec.slug)
        return bool(spec.embedded) or cached

    def get(self, name: str | None = None) -> DepthEstimator:
        """Return the estimator of a model, by default of the one that is the default by now; load it if need be.

        Raises
        ------
        UnknownModel, ModelUnavailable, DownloadError, ModelFileCorrupted
            See `loader.choose` and `loader.load`.
        """
        spec = self.cache.spec(name) if name else choose(self.cache)[0]
        with self._lock:
            held = self._held.get(spec.slug)
            if held is None or held.estimator.sha256 != self.cache.shelf.sha256(spec):
                held = self._load(spec)
            held.used = time.monotonic()
            return held.estimator

    def unload(self, slug: str) -> None:
        """Let go of a model, if it is loaded; a prediction under way goes on."""
        self._held.pop(slug, None)

    def sweep(self) -> None:
        """Unload what was not used for too long."""
        patience = self.cache.settings.keep_alive
        if patience < 0:
            return
        for held in self:
            if held.idle >= patience and held.spec.slug != self.default_slug():
                self.unload(held.spec.slug)

    def _load(self, spec: ModelSpec) -> Held:
        self._make_room(spec)
        from ..estimator import DepthEstimator

        settings = self.cache.settings
        places = os.pathsep.join(map(str, settings.directories))
        self._loading = spec.slug
        self._failed.add(spec.slug)
        try:
            estimator = DepthEstimator(
                spec.name, cache_dir=places, use_cache=not settings.disable_cache, pictures=MANY
            )
        finally:
            self._loading = ""
        self._failed.discard(spec.slug)
        held = self._held[spec.slug] = Held(estimator)
        return held

    def _make_room(self, spec: ModelSpec) -> None:
        """Unload what stands for an older file of this model, and then as much as the model needs."""
        self.unload(spec.slug)
        for held in sorted(self, key=lambda held: held.used):
            if self.limit is None or self.used + spec.memory <= self.limit:
                return
            self.unload(held.spec.slug)
