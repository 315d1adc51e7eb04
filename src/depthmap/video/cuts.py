"""Where a film goes from one shot to the next, told by what the frames show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SIZE = (32, 18)
"""Width and height of the thumbnails that are compared."""
_NEW = 0.3
"""A change of at least this may be a cut: thumbnails of one shot change by 0.01 to 0.1, of two shots by 0.5 to 1."""
_SUDDEN = 2.5
"""How many times as large as the changes beside it a cut is. A fast pan changes every frame, a flash two."""
_FLAT = 4.0**2
"""Variance of grey levels below which there is nothing to compare."""


def change(before: Float32, after: Float32) -> float:
    """Return how different two thumbnails (h, w) are, 0 to 2; a change of brightness counts little.

    It is 1 less the product of contrast and structure of the structural similarity: Wang et al. 2004.
    """
    one, other = before - before.mean(), after - after.mean()
    variances = float(np.mean(one * one)) + float(np.mean(other * other))
    return 1 - (2 * float(np.mean(one * other)) + _FLAT) / (variances + _FLAT)


def is_cut(now: float, before: Sequence[float], after: Sequence[float]) -> bool:
    """Tell whether the change to a frame is a cut, by the changes between the frames before it and after it.

    Comparing with what lies on both sides tells cuts from fast movement and from flashes: the idea is that of
    PySceneDetect's AdaptiveDetector, which B. Castellano published in 2021.
    """
    return now >= max(_NEW, _SUDDEN * max([*before[-1:], *after], default=0.0))
