"""The model of requests that name none: loaded once, and where that is wanted before the first of them comes."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..cache import ModelCache
from ..catalog import ModelSpec
from ..engines import MANY
from ..engines.forking import tell
from ..loader import choose

if TYPE_CHECKING:
    from ..estimator import DepthEstimator

log = logging.getLogger("uvicorn.error")
_HEAD_START = 0.3
"""Seconds in which whoever waited for the port is answered: importing an engine leaves little of the interpreter."""


class DefaultEstimator:
    """The default model, ready to predict. Many threads may ask for it: one loads it, the others wait.

    ``state`` is "cold", "loading", "ready" or "failed"; after a failure the next request tries again.
    """

    def __init__(self, cache: ModelCache) -> None:
        self.cache = cache
        self.state = "cold"
        self._held: DepthEstimator | None = None
        self._loading = threading.Lock()
        self._stopped = threading.Event()
        tell(self)

    def after_fork(self) -> None:
        """Let a forked worker load the model where the thread that was loading it stayed with the parent."""
        self._loading = threading.Lock()
        if self.state == "loading":
            self.state = "cold"

    def get(self) -> DepthEstimator:
        """Return the estimator of the model that is the default by now.

        Raises
        ------
        UnknownModel, ModelUnavailable, DownloadError, ModelFileCorrupted
            See `loader.choose` and `loader.load`.
        """
        spec, _ = choose(self.cache)
        with self._loading:
            if self._held is None or self._held.spec.slug != spec.slug:
                self._held = None  # first, since there may be no room for both
                self._held = self._load(spec)
            return self._held

    def _load(self, spec: ModelSpec) -> DepthEstimator:
        from ..estimator import DepthEstimator

        settings = self.cache.settings
        places = os.pathsep.join(map(str, settings.directories))
        self.state = "loading"
        try:
            estimator = DepthEstimator(
                spec.name, cache_dir=places, use_cache=not settings.disable_cache, pictures=MANY
            )
        except BaseException:
            self.state = "failed"
            raise
        self.state = "ready"
        return estimator

    def warm(self) -> None:
        """Load the model and let it predict once, so that the first request takes no longer than the others.

        A failure is logged, no more. What would have to be downloaded is left to a request that asks for it.
        """
        try:
            self._warm()
        except Exception as error:
            log.warning("the default model could not be loaded: %s", error)

    def _warm(self) -> None:
        if self._stopped.wait(_HEAD_START):
            return
        spec, reason = choose(self.cache)
        if not spec.embedded and (self.cache.settings.disable_cache or not self.cache.is_cached(spec.slug)):
            log.info("%s is not in the cache, so it is not loaded in advance", spec.name)
            return
        import numpy as np

        estimator = self.get()
        if not self._stopped.is_set():  # loading may have taken seconds
            estimator.predict(np.full((spec.input_size, spec.input_size, 3), 127, np.uint8))
            log.info("%s is loaded (%s)", spec.name, reason)

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Warm in a thread of its own for as long as an application runs.

        The thread is no daemon: ending the process under an engine's feet would crash it. It stops at its next step.
        """
        threading.Thread(target=self.warm, name="warming").start()
        try:
            yield
        finally:
            self._stopped.set()
