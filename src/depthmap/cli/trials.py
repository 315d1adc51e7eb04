"""Trying a model out: how long it takes to load, and for a picture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..cache import ModelCache
    from ..estimator import DepthEstimator

_LEAST, _MOST = 1.0, 5.0
"""Seconds in which pictures are tried: a quick model many times, since other programs disturb; a slow one once."""
_PICTURES = 3


@dataclass(frozen=True)
class Trial:
    """A model that was loaded, ready to be tried; ``load_seconds`` is how long that took."""

    estimator: DepthEstimator
    load_seconds: float

    def first(self, picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Return the depth of a picture and the seconds it took; the first takes longer than those after it."""
        start = time.perf_counter()
        depth = self.estimator.predict(picture)
        return depth, time.perf_counter() - start

    def steady(self, picture: NDArray[np.float32]) -> float:
        """Return the seconds of a picture after the first: the least of some."""
        _, began = self.first(picture)
        taken: list[float] = []
        while sum(taken) < _LEAST or (len(taken) < _PICTURES and sum(taken) + began < _MOST):
            taken.append(self.first(picture)[1])
        return min(taken or [began])


def load(cache: ModelCache, name: str) -> Trial:
    """Load a model as users do.

    Raises
    ------
    DepthmapError
        As `DepthEstimator` does.
    """
    from ..estimator import DepthEstimator

    places = os.pathsep.join(map(str, cache.settings.directories))
    start = time.perf_counter()
    estimator = DepthEstimator(name, cache_dir=places)
    return Trial(estimator, time.perf_counter() - start)


def picture(width: int, height: int) -> NDArray[np.float32]:
    """Return a picture to try models with, (height, width, 3)."""
    import numpy as np

    return np.linspace(0, 1, width * height * 3, dtype=np.float32).reshape(height, width, 3)
