"""The default model, loaded before the first request comes, and models unloaded that nobody asks for."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from ..loader import choose
from .loaded import LoadedModels

log = logging.getLogger("uvicorn.error")
_HEAD_START = 0.3
"""Seconds in which whoever waited for the port is answered: importing an engine leaves little of the interpreter."""
_OFTEN = 5.0
"""Seconds between two looks for models that nobody asks for."""


class Warming:
    """Loads the default model behind a server that answers already, and lets it predict once."""

    def __init__(self, models: LoadedModels) -> None:
        self.models = models
        self._stopped = threading.Event()

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
        spec, reason = choose(self.models.cache)
        if not self.models.is_here(spec):
            log.info("%s is not in the cache, so it is not loaded in advance", spec.name)
            return
        import numpy as np

        estimator = self.models.get()
        if not self._stopped.is_set():  # loading may have taken seconds
            estimator.predict(np.full((spec.input_size, spec.input_size, 3), 127, np.uint8))
            log.info("%s is loaded (%s)", spec.name, reason)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Warm in a thread of its own for as long as an application runs.

        The thread is no daemon: ending the process under an engine's feet would crash it. It stops at its next step.
        """
        threading.Thread(target=self.warm, name="warming").start()
        try:
            yield
        finally:
            self._stopped.set()


@asynccontextmanager
async def tidying(models: LoadedModels) -> AsyncIterator[None]:
    """Unload models that nobody asks for, for as long as the context lasts."""

    async def sweep_often() -> None:
        while True:
            await anyio.sleep(_OFTEN)
            models.sweep()

    async with anyio.create_task_group() as group:
        group.start_soon(sweep_often)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
